#include "quantisation.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include <cstring>
#include <map>

#include "error.h"

// ggml's block formats (github.com/ggml-org/ggml, src/ggml-quants.c). Values equal those of Python's `gguf` package to the bit: the same
// products and sums in the same order, none fused (CMakeLists.txt turns contraction off for this file).

namespace tokenlense {
namespace {

float half_at(const uint8_t* bytes) {
  uint16_t bits;
  std::memcpy(&bits, bytes, 2);
  return static_cast<float>(c10::Half(bits, c10::Half::from_bits()));
}

// ---- one value ----

void decode_f32(const uint8_t* block, float* out) { std::memcpy(out, block, 4); }
void decode_f16(const uint8_t* block, float* out) { *out = half_at(block); }
void decode_bf16(const uint8_t* block, float* out) {
  uint16_t bits;
  std::memcpy(&bits, block, 2);
  *out = static_cast<float>(c10::BFloat16(bits, c10::BFloat16::from_bits()));
}

// ---- 32 values, a scale ----

int nibble(const uint8_t* bytes, int i) { return i < 16 ? bytes[i] & 15 : bytes[i - 16] >> 4; }
int fifth_bit(const uint8_t* bytes, int i) { return (bytes[i / 8] >> (i % 8) & 1) << 4; }

void decode_q8_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<int8_t>(block[2 + i]));
}
void decode_q4_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 2, i) - 8);
}
void decode_q4_1(const uint8_t* block, float* out) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 4, i)) + least;
}
void decode_q5_0(const uint8_t* block, float* out) {
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>((nibble(block + 6, i) | fifth_bit(block + 2, i)) - 16);
}
void decode_q5_1(const uint8_t* block, float* out) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(nibble(block + 8, i) | fifth_bit(block + 4, i)) + least;
}
void decode_iq4_nl(const uint8_t* block, float* out) {
  constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  const float scale = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(kLevels[nibble(block + 2, i)]);
}

// ---- 256 values, a scale for each 16 or 32 of them, a scale of the scales ----

constexpr int kSuper = 256;

// Two bits of value i: 32 bytes hold 128 values, in four layers.
int two_bits(const uint8_t* bytes, int i) { return bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3; }
// Four bits: 32 bytes hold 64 values, in two layers.
int four_bits(const uint8_t* bytes, int i) { return bytes[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15; }
// One bit: 32 bytes hold all values, in eight layers.
int one_bit(const uint8_t* bytes, int i) { return bytes[i % 32] >> (i / 32) & 1; }

void decode_q2_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block;
  const float scale = half_at(block + 80), least = half_at(block + 82);
  for (int i = 0; i < kSuper; ++i) {
    const uint8_t own = scales[i / 16];
    const float by = scale * static_cast<float>(own & 15), offset = least * static_cast<float>(own >> 4);
    out[i] = by * static_cast<float>(two_bits(block + 16, i)) - offset;
  }
}

void decode_q3_k(const uint8_t* block, float* out) {
  const uint8_t* scales = block + 96;
  const float scale = half_at(block + 108);
  for (int i = 0; i < kSuper; ++i) {
    const int group = i / 16, low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
    const int high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
    const float by = scale * static_cast<float>((low | high << 4) - 32);
    out[i] = by * static_cast<float>(two_bits(block + 32, i) - (one_bit(block, i) ? 0 : 4));  // a bit that is set takes nothing away
  }
}

// Scale and offset of the eighth `group` of a block, six bits each in twelve bytes.
struct SixBits {
  int scale, least;
};
SixBits six_bits(const uint8_t* bytes, int group) {
  if (group < 4) return {bytes[group] & 63, bytes[4 + group] & 63};
  const int i = group - 4;
  return {(bytes[8 + i] & 15) | (bytes[i] >> 2 & 48), (bytes[8 + i] >> 4) | (bytes[4 + i] >> 2 & 48)};
}

void decode_q4_k(const uint8_t* block, float* out) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < kSuper; ++i) {
    const SixBits own = six_bits(block + 4, i / 32);
    const float by = scale * static_cast<float>(own.scale), offset = least * static_cast<float>(own.least);
    out[i] = by * static_cast<float>(four_bits(block + 16, i)) - offset;
  }
}

void decode_q5_k(const uint8_t* block, float* out) {
  const float scale = half_at(block), least = half_at(block + 2);
  for (int i = 0; i < kSuper; ++i) {
    const SixBits own = six_bits(block + 4, i / 32);
    const float by = scale * static_cast<float>(own.scale), offset = least * static_cast<float>(own.least);
    out[i] = by * static_cast<float>(four_bits(block + 48, i) | one_bit(block + 16, i) << 4) - offset;
  }
}

void decode_q6_k(const uint8_t* block, float* out) {
  const float scale = half_at(block + 208);
  for (int i = 0; i < kSuper; ++i) {
    const float by = scale * static_cast<float>(static_cast<int8_t>(block[192 + i / 16]));
    const int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;  // 64 bytes hold 128 values, in two layers
    out[i] = by * static_cast<float>((low | two_bits(block + 128, i) << 4) - 32);
  }
}

const std::map<std::string, Encoding>& encodings() {
  static const std::map<std::string, Encoding> known = {
      {"F32", {1, 4, decode_f32}},          {"F16", {1, 2, decode_f16}},          {"BF16", {1, 2, decode_bf16}},
      {"Q8_0", {32, 34, decode_q8_0}},      {"Q4_0", {32, 18, decode_q4_0}},      {"Q4_1", {32, 20, decode_q4_1}},
      {"Q5_0", {32, 22, decode_q5_0}},      {"Q5_1", {32, 24, decode_q5_1}},      {"IQ4_NL", {32, 18, decode_iq4_nl}},
      {"Q2_K", {kSuper, 84, decode_q2_k}},  {"Q3_K", {kSuper, 110, decode_q3_k}}, {"Q4_K", {kSuper, 144, decode_q4_k}},
      {"Q5_K", {kSuper, 176, decode_q5_k}}, {"Q6_K", {kSuper, 210, decode_q6_k}}};
  return known;
}

}  // namespace

const Encoding& encoding_of(const std::string& name) {
  const auto found = encodings().find(name);
  if (found != encodings().end()) return found->second;
  std::string names;
  for (const auto& [known, encoding] : encodings()) names += (names.empty() ? "" : ", ") + known;
  throw Error("QUANTISATION", "The encoding " + name + " cannot be read.", "Readable are " + names + ".");
}

}  // namespace tokenlense
