#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>
#include <fstream>

#include "archive.h"
#include "error.h"

namespace tokenlense {
namespace {

float half_at(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, 2);
  return static_cast<float>(c10::Half(bits, c10::Half::from_bits()));
}

// Each decoder turns one block of bytes into `values` floats.
struct Encoding {
  int64_t values, bytes;
  void (*decode)(const uint8_t* block, float* out);
};

void decode_f32(const uint8_t* block, float* out) { std::memcpy(out, block, 4); }
void decode_f16(const uint8_t* block, float* out) { *out = half_at(block); }
void decode_bf16(const uint8_t* block, float* out) {
  uint16_t bits;
  std::memcpy(&bits, block, 2);
  *out = static_cast<float>(c10::BFloat16(bits, c10::BFloat16::from_bits()));
}
void decode_q8_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}
void decode_q4_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>((block[2 + i] & 15) - 8);
    out[i + 16] = scale * static_cast<float>((block[2 + i] >> 4) - 8);
  }
}
void decode_q4_1(const uint8_t* block, float* out) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>(block[4 + i] & 15) + least;
    out[i + 16] = scale * static_cast<float>(block[4 + i] >> 4) + least;
  }
}

const Encoding& encoding_of(const std::string& name) {
  static const std::map<std::string, Encoding> known = {{"F32", {1, 4, decode_f32}},     {"F16", {1, 2, decode_f16}},
                                                        {"BF16", {1, 2, decode_bf16}},   {"Q8_0", {32, 34, decode_q8_0}},
                                                        {"Q4_0", {32, 18, decode_q4_0}}, {"Q4_1", {32, 20, decode_q4_1}}};
  const auto found = known.find(name);
  if (found == known.end())
    throw Error("QUANTISATION", "The encoding " + name + " cannot be read.", "Readable are F32, F16, BF16, Q8_0, Q4_0 and Q4_1.");
  return found->second;
}

// Decodes `rows` rows of `columns` values as they lie in the file; unpermute_heads as WeightPart has it.
void decode_rows(const WeightPart& part, int64_t rows, int64_t columns, float* out) {
  const Encoding& encoding = encoding_of(part.encoding);
  if (columns % encoding.values != 0)
    throw Error("FORMAT",
                part.file + ": rows of " + std::to_string(columns) + " values do not divide into blocks of " + part.encoding + ".");
  const int64_t row_bytes = columns / encoding.values * encoding.bytes;
  std::ifstream file(part.file, std::ios::binary);
  if (!file) throw Error("FILE", "Cannot open " + part.file + ".");
  std::vector<uint8_t> bytes(rows * row_bytes);
  file.seekg(part.offset);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (file.gcount() != static_cast<std::streamsize>(bytes.size()))
    throw Error(
        "FORMAT",
        part.file + " ends within a tensor: " + std::to_string(part.offset + static_cast<int64_t>(bytes.size())) + " bytes were expected.",
        "The file was cut short; fetch it again.");
  const int64_t head = part.unpermute_heads ? rows / part.unpermute_heads : 0;
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      // Row (head, half, j) of the halves convention lies at (head, 2·j + half) in the file.
      const int64_t within = head ? row % head : 0;
      const int64_t from = head ? row - within + within % (head / 2) * 2 + within / (head / 2) : row;
      const uint8_t* block = bytes.data() + from * row_bytes;
      float* to = out + row * columns;
      for (int64_t i = 0; i < columns; i += encoding.values, block += encoding.bytes) encoding.decode(block, to + i);
    }
  });
}

}  // namespace

void decode_part(const WeightPart& part, float* out) {
  const int64_t heads = part.unpermute_heads;
  if (heads != 0 && (heads < 0 || part.transposed || part.rows % (2 * heads) != 0)) throw Error("FORMAT", "Rows do not divide into heads.");
  if (!part.transposed) return decode_rows(part, part.rows, part.columns, out);
  const at::Tensor stored = at::empty({part.columns, part.rows}, at::kFloat);
  decode_rows(part, part.columns, part.rows, stored.data_ptr<float>());
  at::from_blob(out, {part.rows, part.columns}, at::kFloat).copy_(stored.t());
}

}  // namespace tokenlense
