#pragma once
#include "amx_tiles.h"

// Float32 (and what weights are kept in) cut into bfloat16 parts, as tiles of Intel AMX. Only on processors that have it.

namespace tokenlense::amx::parts {

using Part = uint16_t;  // a bfloat16's bits

constexpr int64_t kStep = 32;             // depth of a tile
constexpr int64_t kSize = kTile * kStep;  // values in a tile, 1 KiB

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

// A right tile of a matrix [depth, columns], which is a part already: row r holds, for each of 16 columns, the values at depths 2r and
// 2r + 1.
TOKENLENSE_AMX inline void right_tile(const at::BFloat16* from, int64_t pitch, int64_t depth, int64_t columns, Part* to) {
  const __mmask16 mask = mask_of(columns);
  for (int64_t r = 0; r < kTile; ++r, from += 2 * pitch, to += kStep) {
    // Each row lies on another page, where no hardware looks ahead. Past the matrix's end nothing is fetched.
    _mm_prefetch(reinterpret_cast<const char*>(from + kStep * pitch), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(from + (kStep + 1) * pitch), _MM_HINT_T0);
    const __m512i even = load16(from, 2 * r < depth ? mask : 0), odd = load16(from + pitch, 2 * r + 1 < depth ? mask : 0);
    _mm512_store_si512(to, _mm512_or_si512(_mm512_srli_epi32(even, 16), odd));
  }
}

}  // namespace tokenlense::amx::parts
