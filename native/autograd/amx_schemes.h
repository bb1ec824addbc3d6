#pragma once
#include "amx_block.h"
#include "amx_digits.h"
#include "amx_parts.h"

// Ways to cut numbers into tiles and to multiply these. Only for amx_product.cc.

namespace tokenlense::amx {

// kLeft, kRight: tiles of a step of kStep, of rows and of columns. kLevels: sums that are kept apart. kProducts of four tiles a step.

// Whole numbers as digits. The products of digits p and q, p + q = level, are summed for each level apart.
template <int count>
struct Digits {
  static constexpr int64_t kStep = digits::kStep, kLeft = count, kRight = count, kLevels = count, kProducts = count * (count + 1) / 2;
  // Of a sum in units of the last level.
  static constexpr float kUnit = count == 4 ? 0x1p24f : 0x1p16f;

  template <class Value>
  TOKENLENSE_AMX static void rows(const Value* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float* scales) {
    const digits::Scale scale = digits::scale_of<count>(digits::row_most(from, pitch, rows, depth));
    alignas(64) float by[kTile];
    _mm512_store_ps(by, scale.to);
    _mm512_store_ps(scales, scale.from);
    for (int64_t d = 0; d < depth; d += kStep, to += count * kTileBytes)
      digits::left_tile<count>(from + d, pitch, rows, depth - d, by, reinterpret_cast<digits::Digit*>(to));
  }
  // Columns of [n, k].
  template <class Value>
  TOKENLENSE_AMX static void turned(const Value* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float* scales) {
    rows(from, pitch, columns, depth, to, scales);
    _mm512_store_ps(scales, _mm512_mul_ps(_mm512_load_ps(scales), _mm512_set1_ps(kUnit)));
    for (int64_t d = 0; d < depth; d += kStep)
      for (int t = 0; t < count; ++t, to += kTileBytes) transpose16(to);
  }
  // Of two tiles at a time: two lines of memory a row, as they are fetched. Each row lies on another page, where no hardware looks ahead.
  template <class Value>
  TOKENLENSE_AMX static void columns(const Value* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float* scales) {
    const int64_t left[2] = {columns, columns - kTile};
    __m512i largest[2] = {};
    for (int64_t d = 0; d < depth; ++d)
      for (int64_t t = 0; t < 2; ++t) {
        const Value* at = from + d * pitch + t * kTile;
        largest[t] = _mm512_max_epu32(largest[t], digits::magnitude(load16(at, mask_of(left[t]))));
        _mm_prefetch(reinterpret_cast<const char*>(at + 24 * pitch), _MM_HINT_T0);
      }
    for (int64_t t = 0; t < 2; ++t) {
      const digits::Scale scale = digits::scale_of<count>(largest[t]);
      _mm512_store_ps(scales + t * kTile, _mm512_mul_ps(scale.from, _mm512_set1_ps(kUnit)));
      for (int64_t d = 0; d < depth; d += kStep, to += count * kTileBytes)
        digits::right_tile<count>(from + d * pitch + t * kTile, pitch, depth - d, left[t], scale.to, reinterpret_cast<digits::Digit*>(to));
    }
  }

  template <int level = count - 1>
  TOKENLENSE_AMX static void multiply(Block<Digits>& block) {
    clear_sums();
    for (int64_t i = 0; i < block.steps; ++i) {
      const int64_t s = level % 2 ? block.steps - 1 - i : i;  // what was used last is still near
#pragma GCC unroll 4
      for (int p = 0; p <= level; ++p) {
        const int64_t l = (s * count + p) * kTileBytes, r = (s * count + level - p) * kTileBytes;
        stream_left(block.left0 + l, block.left1 + l);
        if (level - p < 2)  // the digits that are used most stay in the first-level cache, which holds no more
          load_right(block.right0 + r, block.right1 + r);
        else
          stream_right(block.right0 + r, block.right1 + r);
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
        block.beside();
      }
    }
    store_sums(block.sums + level * kLevelBytes);
    if constexpr (level > 0) multiply<level - 1>(block);
  }
  TOKENLENSE_AMX static __m512 sum(const char* from, float row, const float* column) {
    __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(from + (count - 1) * kLevelBytes));
    float unit = 256;  // in units of the last level's
#pragma GCC unroll 3
    for (int level = count - 2; level >= 0; --level, unit *= 256)
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(from + level * kLevelBytes)), _mm512_set1_ps(unit), sum);
    return _mm512_mul_ps(_mm512_mul_ps(sum, _mm512_set1_ps(row)), _mm512_load_ps(column));
  }
};

// A row's float32 as so many bfloat16, times bfloat16; the small products first, while the sums are small.
template <int count>
struct Parts {
  static constexpr int64_t kStep = parts::kStep, kLeft = count, kRight = 1, kLevels = 1, kProducts = count;

  TOKENLENSE_AMX static void rows(const float* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float*) {
    for (int64_t d = 0; d < depth; d += kStep, to += kLeft * kTileBytes)
      parts::left_tile<kLeft>(from + d, pitch, rows, depth - d, reinterpret_cast<parts::Part*>(to));
  }
  TOKENLENSE_AMX static void turned(const at::BFloat16* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float*) {
    for (int64_t d = 0; d < depth; d += kStep, to += kTileBytes) {
      parts::left_tile<1>(from + d, pitch, columns, depth - d, reinterpret_cast<parts::Part*>(to));
      transpose16(to);
    }
  }
  TOKENLENSE_AMX static void columns(const at::BFloat16* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float*) {
    for (int64_t t = 0; t < 2; ++t)
      for (int64_t d = 0; d < depth; d += kStep, to += kTileBytes)
        parts::right_tile(from + d * pitch + t * kTile, pitch, depth - d, columns - t * kTile, reinterpret_cast<parts::Part*>(to));
  }
  TOKENLENSE_AMX static void multiply(Block<Parts>& block) {
    clear_sums();
    for (int p = kLeft - 1; p >= 0; --p)
      for (int64_t s = 0; s < block.steps; ++s) {
        const int64_t l = (s * kLeft + p) * kTileBytes, r = s * kTileBytes;
        stream_left(block.left0 + l, block.left1 + l);
        load_right(block.right0 + r, block.right1 + r);
        parts::multiply_loaded();
        block.beside();
      }
    store_sums(block.sums);
  }
  TOKENLENSE_AMX static __m512 sum(const char* from, float, const float*) { return _mm512_load_ps(from); }
};

}  // namespace tokenlense::amx
