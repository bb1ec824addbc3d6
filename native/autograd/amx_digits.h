#pragma once
#include "amx_tiles.h"

// Float32 (and float16) as whole numbers, cut into signed digits of eight bits, as tiles of Intel AMX. Only for amx_product.cc, on
// processors that have it.

namespace tokenlense::amx::digits {

using Digit = int8_t;

constexpr int64_t kStep = 64;  // depth of a tile

// What a row or column is multiplied with to become whole numbers, and its inverse: powers of two, so that only what is below the last
// digit is rounded. The largest value becomes one of 8 · digits − 1 bits, at most 0x7f7f7f(7f): the largest that these digits hold.
struct Scale {
  __m512 to, from;
};
// most: bits of the largest absolute values.
template <int digits>
TOKENLENSE_AMX inline Scale scale_of(__m512i most) {
  const __m512i exponent = _mm512_srli_epi32(_mm512_add_epi32(most, _mm512_set1_epi32(0x10101)), 23);
  const __m512i shift = _mm512_sub_epi32(_mm512_set1_epi32(252 + 8 * digits), exponent);
  const __m512i to = _mm512_min_epi32(shift, _mm512_set1_epi32(253));
  const __m512 from = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(254), to), 23));
  const __mmask16 endless = _mm512_cmpge_epu32_mask(most, _mm512_set1_epi32(0x7f800000));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(to, 23)), _mm512_mask_blend_ps(endless, from, _mm512_set1_ps(__builtin_nanf("")))};
}

TOKENLENSE_AMX inline __m512i magnitude(__m512i values) { return _mm512_and_si512(values, _mm512_set1_epi32(0x7fffffff)); }

// Bits of a row's largest absolute value.
template <class Value>
TOKENLENSE_AMX inline uint32_t row_most(const Value* from, int64_t depth) {
  __m512i most[4] = {};
  int64_t d = 0;
  for (; d + kStep <= depth; d += kStep)
    for (int i = 0; i < 4; ++i) most[i] = _mm512_max_epu32(most[i], magnitude(load16(from + d + i * kTile)));
  for (; d < depth; d += kTile) most[0] = _mm512_max_epu32(most[0], magnitude(load16(from + d, mask_of(depth - d))));
  return _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_max_epu32(most[0], most[1]), _mm512_max_epu32(most[2], most[3])));
}

// Each value's digits as the bytes of its double word, the last first.
template <int digits>
TOKENLENSE_AMX inline __m512i digits_of(__m512i values, __m512 scale) {
  const __m512i half = _mm512_set1_epi32(static_cast<int>(digits == 4 ? 0x80808080 : 0x808080));
  const __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(values), scale));
  return _mm512_xor_si512(_mm512_add_epi32(whole, half), half);
}

struct alignas(64) Order {
  uint8_t at[64];
};
// Bytes `low` of 32 double words in order, and then bytes `high`.
constexpr Order apart(int low, int high) {
  Order order{};
  for (int i = 0; i < 32; ++i) order.at[i] = 4 * i + low, order.at[32 + i] = 4 * i + high;
  return order;
}
// Of each of 16 double words of two vectors: bytes `low` and then bytes `high`.
constexpr Order beside(int low, int high) {
  Order order{};
  for (int i = 0; i < 16; ++i)
    order.at[4 * i] = 4 * i + low, order.at[4 * i + 1] = 64 + 4 * i + low, order.at[4 * i + 2] = 4 * i + high,
                 order.at[4 * i + 3] = 64 + 4 * i + high;
  return order;
}
// Of digits 0 and 1, and of 2 and the next, which of three is none.
template <int digits>
inline constexpr Order kApart[2] = {apart(digits - 1, digits - 2), apart(digits - 3, digits == 4 ? 0 : 3)};
template <int digits>
inline constexpr Order kBeside[2] = {beside(digits - 1, digits - 2), beside(digits - 3, digits == 4 ? 0 : 3)};

TOKENLENSE_AMX inline __m512i pick(__m512i a, const Order& order, __m512i b) {
  return _mm512_permutex2var_epi8(a, _mm512_load_si512(order.at), b);
}

// A row of a left tile: 64 values; into as many tiles as digits, one after another, the first digits' first.
template <int digits>
TOKENLENSE_AMX inline void put_row(__m512i a, __m512i b, __m512i c, __m512i d, __m512 scale, Digit* to) {
  a = digits_of<digits>(a, scale), b = digits_of<digits>(b, scale), c = digits_of<digits>(c, scale), d = digits_of<digits>(d, scale);
#pragma GCC unroll 2
  for (int pair = 0; pair < 2; ++pair) {
    const __m512i first = pick(a, kApart<digits>[pair], b), second = pick(c, kApart<digits>[pair], d);
    _mm512_store_si512(to + 2 * pair * kTileBytes, _mm512_shuffle_i64x2(first, second, 0x44));
    if (2 * pair + 1 < digits) _mm512_store_si512(to + (2 * pair + 1) * kTileBytes, _mm512_shuffle_i64x2(first, second, 0xee));
  }
}
template <int digits, class Value>
TOKENLENSE_AMX inline void left_row(const Value* from, int64_t depth, __m512 scale, Digit* to) {
  if (depth >= kStep) [[likely]] {
    put_row<digits>(load16(from), load16(from + kTile), load16(from + 2 * kTile), load16(from + 3 * kTile), scale, to);
  } else {
    const auto some = [&](int64_t at) TOKENLENSE_AMX { return load16(from + at, mask_of(depth - at)); };
    put_row<digits>(some(0), some(kTile), some(2 * kTile), some(3 * kTile), scale, to);
  }
}
template <int digits>
TOKENLENSE_AMX inline void empty_row(Digit* to) {
  for (int d = 0; d < digits; ++d) _mm512_store_si512(to + d * kTileBytes, _mm512_setzero_si512());
}

// A right tile of a matrix [depth, columns]: row r holds, for each of 16 columns, the values at depths 4r … 4r + 3.
template <int digits, class Value>
TOKENLENSE_AMX inline void right_tile(const Value* from, int64_t pitch, int64_t depth, int64_t columns, __m512 scale, Digit* to) {
  const __mmask16 mask = mask_of(columns);
  for (int64_t r = 0; r < kTile; ++r, to += kStep) {
    __m512i d[4];
    for (int64_t i = 0; i < 4; ++i, from += pitch) d[i] = digits_of<digits>(load16(from, 4 * r + i < depth ? mask : 0), scale);
    for (int pair = 0; pair < 2; ++pair) {
      const __m512i a = pick(d[0], kBeside<digits>[pair], d[1]), b = pick(d[2], kBeside<digits>[pair], d[3]);
      _mm512_store_si512(to + 2 * pair * kTileBytes, _mm512_mask_blend_epi16(0xaaaaaaaa, a, _mm512_slli_epi32(b, 16)));
      if (2 * pair + 1 < digits)
        _mm512_store_si512(to + (2 * pair + 1) * kTileBytes, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(a, 16), b));
    }
  }
}

}  // namespace tokenlense::amx::digits
