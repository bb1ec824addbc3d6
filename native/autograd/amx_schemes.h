#pragma once
#include "amx_block.h"
#include "amx_digits.h"
#include "amx_parts.h"

// Ways to cut numbers into tiles and to multiply these. Only for files that do not run where has_amx() is false.

namespace tokenlense::amx {

// kLeft, kRight: tiles of a step of kStep, of rows and of columns. kLevels: sums that are kept apart. kProducts of four tiles a step.

// Whole numbers as digits. The products of digits p and q, p + q = level, are summed for each level apart.
template <int count>
struct Digits {
  static constexpr int64_t kStep = digits::kStep, kLeft = count, kRight = count, kLevels = count, kProducts = count * (count + 1) / 2;
  // Of a sum in units of the last level.
  static constexpr float kUnit = count == 4 ? 0x1p24f : 0x1p16f;

  // A row on its way into tiles.
  struct Row {
    float scale = 0;

    template <class Value>
    TOKENLENSE_AMX void begin(const Value* from, int64_t depth, float* inverse) {
      const digits::Scale found = digits::scale_of<count>(_mm512_set1_epi32(static_cast<int>(digits::row_most(from, depth))));
      scale = _mm512_cvtss_f32(found.to), *inverse = _mm512_cvtss_f32(found.from);
    }
    template <class Value>
    TOKENLENSE_AMX void step(const Value* from, int64_t depth, char* to) const {
      digits::left_row<count>(from, depth, _mm512_set1_ps(scale), reinterpret_cast<digits::Digit*>(to));
    }
  };

  // 16 rows; the next 16 are fetched.
  template <class Value>
  TOKENLENSE_AMX static void rows(const Value* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float* scales) {
    Row row[kTile];
    for (int64_t r = 0; r < kTile; ++r) {
      if (r < rows)
        row[r].begin(from + r * pitch, depth, scales + r);
      else
        scales[r] = 0;
    }
    for (int64_t d = 0; d < depth; d += kStep, to += count * kTileBytes) {
      const Value* at = from + d;
      for (int64_t r = 0; r < kTile; ++r, at += pitch) {
        if (r >= rows) {
          digits::empty_row<count>(reinterpret_cast<digits::Digit*>(to + r * kBytes));
          continue;
        }
        for (int i = 0; i < 4; ++i) _mm_prefetch(reinterpret_cast<const char*>(at + kTile * pitch + i * kTile), _MM_HINT_T0);
        row[r].step(at, depth - d, to + r * kBytes);
      }
    }
  }
  // Columns of [n, k].
  template <class Value>
  TOKENLENSE_AMX static void turned(const Value* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float* scales) {
    rows(from, pitch, columns, depth, to, scales);
    _mm512_storeu_ps(scales, _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_set1_ps(kUnit)));
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

  template <bool tall, class Block, int level = count - 1>
  TOKENLENSE_AMX static void multiply(Block& block) {
    clear_sums();
    for (int64_t i = 0; i < block.steps; ++i) {
      const int64_t s = level % 2 ? block.steps - 1 - i : i;  // what was used last is still near
#pragma GCC unroll 4
      for (int p = 0; p <= level; ++p) {
        const int64_t l = (s * count + p) * kTileBytes, r = (s * count + level - p) * kTileBytes;
        // The digits that are used most stay near, where there is no room for more.
        block.template multiply<Numbers::digits, tall>(l, r, level - p < 2);
      }
    }
    store_sums(block.sums + level * kLevelBytes);
    if constexpr (level > 0) multiply<tall, Block, level - 1>(block);
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

// Float32 as the sum of so many bfloat16, times bfloat16; the small products first, while the sums are small.
template <int left, int right>
struct Parts {
  static_assert(left == 1 || right == 1);
  static constexpr int64_t kStep = parts::kStep, kLeft = left, kRight = right, kLevels = 1, kProducts = left * right;

  struct Row {
    template <class Value>
    static void begin(const Value*, int64_t, float*) {}
    template <class Value>
    TOKENLENSE_AMX static void step(const Value* from, int64_t depth, char* to) {
      parts::left_row<kLeft>(load16(from, mask_of(depth)), load16(from + kTile, mask_of(depth - kTile)),
                             reinterpret_cast<parts::Part*>(to));
    }
  };

  template <class Value>
  TOKENLENSE_AMX static void rows(const Value* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float*) {
    for (int64_t d = 0; d < depth; d += kStep, to += kLeft * kTileBytes)
      parts::left_tile<kLeft>(from + d, pitch, rows, depth - d, reinterpret_cast<parts::Part*>(to));
  }
  template <class Value>
  TOKENLENSE_AMX static void turned(const Value* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float*) {
    for (int64_t d = 0; d < depth; d += kStep) {
      parts::left_tile<kRight>(from + d, pitch, columns, depth - d, reinterpret_cast<parts::Part*>(to));
      for (int t = 0; t < kRight; ++t, to += kTileBytes) transpose16(to);
    }
  }
  TOKENLENSE_AMX static void columns(const at::BFloat16* from, int64_t pitch, int64_t columns, int64_t depth, char* to, float*) {
    static_assert(kRight == 1);
    for (int64_t t = 0; t < 2; ++t)
      for (int64_t d = 0; d < depth; d += kStep, to += kTileBytes)
        parts::right_tile(from + d * pitch + t * kTile, pitch, depth - d, columns - t * kTile, reinterpret_cast<parts::Part*>(to));
  }
  template <bool tall, class Block>
  TOKENLENSE_AMX static void multiply(Block& block) {
    clear_sums();
    for (int p = kProducts - 1; p >= 0; --p)
      for (int64_t s = 0; s < block.steps; ++s) {
        const int64_t l = (s * kLeft + p % kLeft) * kTileBytes, r = (s * kRight + p % kRight) * kTileBytes;
        block.template multiply<Numbers::parts, tall>(l, r, true);
      }
    store_sums(block.sums);
  }
  TOKENLENSE_AMX static __m512 sum(const char* from, float, const float*) { return _mm512_load_ps(from); }
};

}  // namespace tokenlense::amx
