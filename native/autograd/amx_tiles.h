#pragma once
#include <ATen/ATen.h>
#include <immintrin.h>

#include <algorithm>

// Tiles of Intel AMX and what lies in them. Only for files that do not run where has_amx() is false.

#define TOKENLENSE_AMX __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f,avx512bw,avx512vl,avx512vbmi")))

namespace tokenlense::amx {

constexpr int64_t kTile = 16;              // rows of a tile; columns of a result's
constexpr int64_t kPair = 2 * kTile;       // a block of the result is two tiles high and wide: four accumulators
constexpr int64_t kBytes = 64;             // of a tile's row
constexpr int64_t kWords = kTile * kTile;  // float32, or whole numbers, of a tile
constexpr int64_t kTileBytes = kTile * kBytes;

constexpr int64_t ceil_to(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

struct alignas(64) Config {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// All eight tiles are 16 rows of 64 bytes. Other users of tiles (oneDNN) configure them anew.
struct Tiles {
  TOKENLENSE_AMX Tiles() {
    static const Config config;
    _tile_loadconfig(&config);
  }
  TOKENLENSE_AMX ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// Tiles 0…3 are the sums, 4 and 5 of rows, 6 and 7 of columns.
TOKENLENSE_AMX inline void clear_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
// "stream": past the first-level cache, which what is used again needs.
TOKENLENSE_AMX inline void stream_left(const void* first, const void* second) {
  _tile_stream_loadd(4, first, kBytes);
  _tile_stream_loadd(5, second, kBytes);
}
TOKENLENSE_AMX inline void stream_right(const void* first, const void* second) {
  _tile_stream_loadd(6, first, kBytes);
  _tile_stream_loadd(7, second, kBytes);
}
TOKENLENSE_AMX inline void load_right(const void* first, const void* second) {
  _tile_loadd(6, first, kBytes);
  _tile_loadd(7, second, kBytes);
}

// What tiles hold: whole numbers of eight bits, or bfloat16.
enum class Numbers { digits, parts };

#define TOKENLENSE_MULTIPLY(sum, rows, columns) \
  if constexpr (numbers == Numbers::digits)     \
    _tile_dpbssd(sum, rows, columns);           \
  else                                          \
    _tile_dpbf16ps(sum, rows, columns)
// Two loaded tiles of rows times two of columns.
template <Numbers numbers>
TOKENLENSE_AMX inline void multiply_loaded() {
  TOKENLENSE_MULTIPLY(0, 4, 6);
  TOKENLENSE_MULTIPLY(1, 4, 7);
  TOKENLENSE_MULTIPLY(2, 5, 6);
  TOKENLENSE_MULTIPLY(3, 5, 7);
}
// Four tiles of rows, `apart`, times one of columns.
template <Numbers numbers>
TOKENLENSE_AMX inline void multiply_tall(const char* rows, int64_t apart, const char* columns) {
  _tile_loadd(6, columns, kBytes);
  _tile_stream_loadd(4, rows, kBytes);
  _tile_stream_loadd(5, rows + apart, kBytes);
  TOKENLENSE_MULTIPLY(0, 4, 6);
  _tile_stream_loadd(7, rows + 2 * apart, kBytes);
  TOKENLENSE_MULTIPLY(1, 5, 6);
  _tile_stream_loadd(4, rows + 3 * apart, kBytes);
  TOKENLENSE_MULTIPLY(2, 7, 6);
  TOKENLENSE_MULTIPLY(3, 4, 6);
}
#undef TOKENLENSE_MULTIPLY

TOKENLENSE_AMX inline void store_sums(void* to) {
  auto* bytes = static_cast<char*>(to);
  _tile_stored(0, bytes, kBytes);
  _tile_stored(1, bytes + kWords * 4, kBytes);
  _tile_stored(2, bytes + 2 * kWords * 4, kBytes);
  _tile_stored(3, bytes + 3 * kWords * 4, kBytes);
}

inline __mmask16 mask_of(int64_t count) { return static_cast<__mmask16>(count >= kTile ? 0xffff : count <= 0 ? 0 : (1 << count) - 1); }

TOKENLENSE_AMX inline __m512i load16(const float* from, __mmask16 mask) { return _mm512_maskz_loadu_epi32(mask, from); }
TOKENLENSE_AMX inline __m512i load16(const at::BFloat16* from, __mmask16 mask) {
  return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from)), 16);
}
TOKENLENSE_AMX inline __m512i load16(const at::Half* from, __mmask16 mask) {
  return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from)));
}
TOKENLENSE_AMX inline __m512i load16(const float* from) { return _mm512_loadu_si512(from); }
TOKENLENSE_AMX inline __m512i load16(const at::BFloat16* from) {
  return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))), 16);
}
TOKENLENSE_AMX inline __m512i load16(const at::Half* from) {
  return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
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
