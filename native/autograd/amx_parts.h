#pragma once
#include <ATen/ATen.h>
#include <immintrin.h>

#define TOKENLENSE_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl")))

// Float32 (and what weights are kept in) cut into bfloat16 parts, as tiles of Intel AMX. Only for amx.cc, on processors that have it.

namespace tokenlense::amx {

using Part = uint16_t;  // a bfloat16's bits

constexpr int64_t kTile = 16;             // rows of a tile; columns of a result's
constexpr int64_t kStep = 32;             // depth of a tile
constexpr int64_t kPair = 2 * kTile;      // a block of the result is two tiles high and wide: four accumulators
constexpr int64_t kSize = kTile * kStep;  // values in a tile, 1 KiB

inline __mmask16 mask_of(int64_t count) { return static_cast<__mmask16>(count >= kTile ? 0xffff : count <= 0 ? 0 : (1 << count) - 1); }

TOKENLENSE_AMX inline __m512i load16(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_epi32(mask, from); }
TOKENLENSE_AMX inline __m512i load16(const at::BFloat16* from, __mmask16 mask) {
  return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16);
}
TOKENLENSE_AMX inline __m512i load16(const at::Half* from, __mmask16 mask) {
  return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from)));
}

// Takes the nearest bfloat16 off each of 16 float32; it comes as the upper half of a float32 whose lower half is to be ignored.
template <bool last>
TOKENLENSE_AMX inline __m512i take(__m512i& values) {
  const __m512i rounded = _mm512_add_epi32(values, _mm512_set1_epi32(0x8000));
  if constexpr (last) return rounded;
  const __m512i part = _mm512_and_si512(rounded, _mm512_set1_epi32(static_cast<int>(0xffff0000)));
  values = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(values), _mm512_castsi512_ps(part)));
  return part;
}

// The upper halves of a's and then b's double words, in order.
TOKENLENSE_AMX inline __m512i upper_halves(__m512i a, __m512i b) {
  alignas(64) static constexpr uint16_t order[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                     33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  return _mm512_permutex2var_epi16(a, _mm512_load_si512(order), b);
}

// One row of a left tile: 32 values a part.
template <int parts, int part = 0>
TOKENLENSE_AMX inline void left_row(__m512i a, __m512i b, Part* to) {
  constexpr bool last = part == parts - 1;
  const __m512i first = take<last>(a), second = take<last>(b);
  _mm512_store_si512(to + part * kSize, upper_halves(first, second));
  if constexpr (!last) left_row<parts, part + 1>(a, b, to);
}

// One row of a right tile: 16 pairs a part.
template <int parts, int part = 0>
TOKENLENSE_AMX inline void right_row(__m512i even, __m512i odd, Part* to) {
  constexpr bool last = part == parts - 1;
  const __m512i low = take<last>(even), high = take<last>(odd);
  _mm512_store_si512(to + part * kSize,
                     _mm512_or_si512(_mm512_srli_epi32(low, 16), _mm512_and_si512(high, _mm512_set1_epi32(static_cast<int>(0xffff0000)))));
  if constexpr (!last) right_row<parts, part + 1>(even, odd, to);
}

// A left tile: 16 rows of 32 values each, `parts` tiles one after another.
template <int parts, class Value>
TOKENLENSE_AMX void left_tile(const Value* from, int64_t pitch, int64_t rows, int64_t depth, Part* to) {
  const __mmask16 first = mask_of(depth), second = mask_of(depth - kTile);
  for (int64_t r = 0; r < kTile; ++r, from += pitch, to += kStep) {
    _mm_prefetch(reinterpret_cast<const char*>(from + 2 * kStep), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(from + 2 * kStep + kTile), _MM_HINT_T0);
    if (r < rows)
      left_row<parts>(load16(from, first), load16(from + kTile, second), to);
    else
      left_row<parts>(_mm512_setzero_si512(), _mm512_setzero_si512(), to);
  }
}

// A right tile of a matrix [depth, columns]: row r holds, for each of 16 columns, the values at depths 2r and 2r + 1.
template <int parts, class Value>
TOKENLENSE_AMX void right_tile(const Value* from, int64_t pitch, int64_t depth, int64_t columns, Part* to) {
  for (int64_t r = 0; r < kTile; ++r, from += 2 * pitch, to += kStep) {
    // Each row lies on another page, where no hardware looks ahead. Past the matrix's end nothing is fetched.
    _mm_prefetch(reinterpret_cast<const char*>(from + kStep * pitch), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(from + (kStep + 1) * pitch), _MM_HINT_T0);
    right_row<parts>(load16(from, 2 * r < depth ? mask_of(columns) : 0), load16(from + pitch, 2 * r + 1 < depth ? mask_of(columns) : 0),
                     to);
  }
}

// 16 × 16 double words, in place.
TOKENLENSE_AMX inline void transpose16(void* tile) {
  auto* rows = static_cast<__m512i*>(tile);
  __m512i r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(rows + i);
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; ++i) {
    _mm512_store_si512(rows + i, _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88));
    _mm512_store_si512(rows + i + 8, _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd));
  }
}

}  // namespace tokenlense::amx
