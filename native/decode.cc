#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fstream>

#include "archive.h"
#include "error.h"
#include "quantisation.h"

namespace tokenlense {
namespace {

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
      if (part.plus != 0)
        for (int64_t i = 0; i < columns; ++i) to[i] += static_cast<float>(part.plus);
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
