#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "rows.h"

#define TOKENLENSE_AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl")))

namespace tokenlense {
namespace {

using Part = uint16_t;  // a bfloat16's bits

constexpr int64_t kTile = 16;             // rows of a tile; columns of a result's
constexpr int64_t kStep = 32;             // depth of a tile
constexpr int64_t kPair = 2 * kTile;      // a block of the result is two tiles high and wide: four accumulators
constexpr int64_t kSize = kTile * kStep;  // values in a tile, 1 KiB
constexpr int64_t kDepth = 576;           // at a time
constexpr int64_t kColumns = 64;          // at a time: what a row of theirs takes is fetched from memory in one go
// Rows at a time, where one has `parts` parts: with so many, theirs and those of some columns stay in a second-level cache.
constexpr int64_t rows_at_a_time(int parts) { return 768 / parts; }

constexpr int64_t ceil_to(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

// ---- parts ------------------------------------------------------------------------------------------------------

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
    if (r < rows)
      left_row<parts>(load16(from, first), load16(from + kTile, second), to);
    else
      left_row<parts>(_mm512_setzero_si512(), _mm512_setzero_si512(), to);
  }
}

// A right tile of a matrix [depth, columns]: row r holds, for each of 16 columns, the values at depths 2r and 2r + 1.
template <int parts, class Value>
TOKENLENSE_AMX void right_tile(const Value* from, int64_t pitch, int64_t depth, int64_t columns, Part* to) {
  for (int64_t r = 0; r < kTile; ++r, from += 2 * pitch, to += kStep)
    right_row<parts>(load16(from, 2 * r < depth ? mask_of(columns) : 0), load16(from + pitch, 2 * r + 1 < depth ? mask_of(columns) : 0),
                     to);
}

// 16 × 16 double words, in place.
TOKENLENSE_AMX void transpose16(Part* tile) {
  __m512i r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_load_si512(tile + i * kStep);
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
    const int a = i < 4 ? i : i;  // t[0…3] and t[4…7] hold the lower rows' quarters, t[8…15] the upper's
    _mm512_store_si512(tile + i * kStep, _mm512_shuffle_i32x4(t[a], t[a + 8], 0x88));
    _mm512_store_si512(tile + (i + 8) * kStep, _mm512_shuffle_i32x4(t[a], t[a + 8], 0xdd));
  }
}

// ---- products ---------------------------------------------------------------------------------------------------

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
TOKENLENSE_AMX inline void load_left(const Part* first, const Part* second) {
  _tile_loadd(4, first, kStep * 2);
  _tile_loadd(5, second, kStep * 2);
}
TOKENLENSE_AMX inline void load_right(const Part* first, const Part* second) {
  _tile_loadd(6, first, kStep * 2);
  _tile_loadd(7, second, kStep * 2);
}
TOKENLENSE_AMX inline void multiply_loaded() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// Two tiles of rows times two of columns over `steps`, into the first four tiles. Parts p of a row and q of a column are multiplied
// where p + q is below the larger number of parts. The small products come first, while the sums are small: then they round as one
// chain of float32 additions does.
template <int row_parts, int column_parts>
TOKENLENSE_AMX inline void multiply(const Part* left0, const Part* left1, const Part* right0, const Part* right1, int64_t steps) {
  constexpr int most = std::max(row_parts, column_parts) - 1;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const auto left = [&](int64_t step, int part) __attribute__((always_inline)) {
    const int64_t at = (step * row_parts + part) * kSize;
    load_left(left0 + at, left1 + at);
  };
  const auto right = [&](int64_t step, int part) __attribute__((always_inline)) {
    const int64_t at = (step * column_parts + part) * kSize;
    load_right(right0 + at, right1 + at);
  };
  for (int64_t s = 0; s < steps; ++s) {
    int p = 0;
    left(s, p);
#pragma GCC unroll 3
    for (int q = column_parts - 1; q >= 0; --q) {
      right(s, q);
      if (p + q > 0) multiply_loaded();
#pragma GCC unroll 3
      while (p + q < most && p + 1 < row_parts) {
        left(s, ++p);
        multiply_loaded();
      }
    }
  }
  for (int64_t s = 0; s < steps; ++s) {
    left(s, 0);
    right(s, 0);
    multiply_loaded();
  }
}

// The first four tiles into (or onto) c, of which `rows` × `columns` are wanted.
TOKENLENSE_AMX inline void put(float* c, int64_t pitch, int64_t rows, int64_t columns, bool accumulate) {
  if (!accumulate && rows >= kPair && columns >= kPair) {
    _tile_stored(0, c, pitch * 4);
    _tile_stored(1, c + kTile, pitch * 4);
    _tile_stored(2, c + kTile * pitch, pitch * 4);
    _tile_stored(3, c + kTile * pitch + kTile, pitch * 4);
    return;
  }
  alignas(64) float sums[kPair * kPair];
  _tile_stored(0, sums, kPair * 4);
  _tile_stored(1, sums + kTile, kPair * 4);
  _tile_stored(2, sums + kTile * kPair, kPair * 4);
  _tile_stored(3, sums + kTile * kPair + kTile, kPair * 4);
  const __mmask16 first = mask_of(columns), second = mask_of(columns - kTile);
  for (int64_t r = 0; r < std::min(rows, kPair); ++r, c += pitch) {
    __m512 a = _mm512_load_ps(sums + r * kPair), b = _mm512_load_ps(sums + r * kPair + kTile);
    if (accumulate) {
      a = _mm512_add_ps(a, _mm512_maskz_loadu_ps(first, c));
      b = _mm512_add_ps(b, _mm512_maskz_loadu_ps(second, c + kTile));
    }
    _mm512_mask_storeu_ps(c, first, a);
    _mm512_mask_storeu_ps(c + kTile, second, b);
  }
}

// ---- blocks -----------------------------------------------------------------------------------------------------

// What one thread works on: parts of some rows and columns. In large pages where the system has them: the tiles
// lie on hundreds of small ones.
struct Workspace {
  alignas(64) Part left[768 * kDepth], right[kColumns * kDepth * 3];
};
Workspace& workspace() {
  constexpr size_t page = size_t{2} << 20, bytes = (sizeof(Workspace) + page - 1) / page * page;
  thread_local const auto own = [] {
    void* memory = std::aligned_alloc(page, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    madvise(memory, bytes, MADV_HUGEPAGE);
    return std::unique_ptr<Workspace, decltype(&std::free)>(new (memory) Workspace, std::free);
  }();
  return *own;
}

template <int row_parts, int parts, class Weight>
struct Product {
  const float* rows;
  const Weight* weight;
  float* result;
  int64_t m, k, n, pitch;
  bool transposed;

  // The parts of columns `first` and some after it, from depth `deep`.
  TOKENLENSE_AMX void pack_right(int64_t first, int64_t count, int64_t deep, int64_t steps, Part* to) const {
    for (int64_t s = 0; s < steps; ++s, to += parts * kSize) {
      const int64_t at = deep + s * kStep;
      Part* here = to;
      for (int64_t column = first; column < first + count; column += kTile, here += steps * parts * kSize) {
        if (!transposed) {
          right_tile<parts>(weight + at * n + column, n, k - at, n - column, here);
          continue;
        }
        left_tile<parts>(weight + column * k + at, k, n - column, k - at, here);
        for (int p = 0; p < parts; ++p) transpose16(here + p * kSize);
      }
    }
  }

  TOKENLENSE_AMX void block(int64_t first_row, int64_t last_row, int64_t first_column, int64_t last_column) const {
    auto& [left, right] = workspace();
    const Tiles tiles;
    for (int64_t deep = 0; deep < k; deep += kDepth) {
      const int64_t steps = (std::min(kDepth, k - deep) + kStep - 1) / kStep;
      const int64_t left_tiles = steps * row_parts * kSize, right_tiles = steps * parts * kSize;
      Part* to = left;
      for (int64_t i = first_row; i < first_row + ceil_to(last_row - first_row, kPair); i += kTile)
        for (int64_t s = 0; s < steps; ++s, to += row_parts * kSize)
          left_tile<row_parts>(rows + i * pitch + deep + s * kStep, pitch, last_row - i, k - deep - s * kStep, to);
      for (int64_t j = first_column; j < last_column; j += kColumns) {
        const int64_t some = ceil_to(std::min(kColumns, last_column - j), kPair);
        pack_right(j, some, deep, steps, right);
        const Part* from = left;
        for (int64_t i = first_row; i < last_row; i += kPair, from += 2 * left_tiles) {
          const Part* columns = right;
          for (int64_t c = j; c < j + some; c += kPair, columns += 2 * right_tiles) {
            multiply<row_parts, parts>(from, from + left_tiles, columns, columns + right_tiles, steps);
            put(result + i * n + c, n, last_row - i, n - c, deep > 0);
          }
        }
      }
    }
  }

  void run() const {
    const int64_t most = rows_at_a_time(row_parts), down = (m + most - 1) / most, height = ceil_to((m + down - 1) / down, kPair);
    // Rows are cut into parts anew for each task: no more tasks than keep all threads busy to the end.
    const int64_t across = std::clamp<int64_t>((4 * at::get_num_threads() + down - 1) / down, 1, (n + kPair - 1) / kPair);
    const int64_t width = ceil_to((n + across - 1) / across, kPair);
    share_tasks(down * across, [&](int64_t t) {
      const int64_t row = t / across * height, column = t % across * width;
      if (row < m && column < n) block(row, std::min(m, row + height), column, std::min(n, column + width));
    });
  }
};

template <class Weight>
at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed, int parts, const Weight* weight) {
  constexpr int whole = std::is_same_v<Weight, float> ? 3 : std::is_same_v<Weight, at::Half> ? 2 : 1;
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(transposed ? 0 : 1);
  at::Tensor result = at::empty({m, n}, rows.options());
  const float* in = rows.const_data_ptr<float>();
  float* out = result.data_ptr<float>();
  const int64_t pitch = rows.stride(0);
  if (parts == 3)
    Product<3, whole, Weight>{in, weight, out, m, k, n, pitch, transposed}.run();
  else if (parts == 2)
    Product<2, std::min(whole, 2), Weight>{in, weight, out, m, k, n, pitch, transposed}.run();
  else
    Product<1, 1, Weight>{in, weight, out, m, k, n, pitch, transposed}.run();
  return result;
}

// Linux gives a process the tiles' state (8 KiB a thread) only when it asks.
bool may_use_tiles() {
  constexpr int request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool tiles = (d >> 24 & 1) && (d >> 22 & 1);  // AMX-TILE, AMX-BF16
  if (!tiles || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl")) return false;
  return syscall(SYS_arch_prctl, request, tile_data) == 0;
}

}  // namespace

bool has_amx() {
  static const bool has = may_use_tiles();
  return has;
}

at::Tensor amx_product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed, int parts) {
  switch (matrix.scalar_type()) {
    case at::kBFloat16:
      return product(rows, matrix, transposed, parts, matrix.const_data_ptr<at::BFloat16>());
    case at::kHalf:
      return product(rows, matrix, transposed, parts, matrix.const_data_ptr<at::Half>());
    default:
      return product(rows, matrix, transposed, parts, matrix.const_data_ptr<float>());
  }
}

}  // namespace tokenlense

#else

namespace tokenlense {
bool has_amx() { return false; }
at::Tensor amx_product(const at::Tensor&, const at::Tensor&, bool, int) { TORCH_CHECK(false, "no AMX here"); }
}  // namespace tokenlense

#endif
