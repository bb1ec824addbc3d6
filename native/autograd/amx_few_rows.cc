#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <algorithm>

#include "amx_memory.h"
#include "amx_parts.h"
#include "rows.h"

namespace tokenlense {
namespace {

using namespace amx;
using namespace amx::parts;

constexpr int64_t kDepth = 576;  // at a time
// Steps in a chain of additions: the gradient of a confident output is most sensitive to rounding of the forward pass. With chains of 96
// additions of two products, a text of 40 tokens came to 1.01e-5 from Inseq's scores.
constexpr int64_t kChain = 3;
constexpr int64_t kColumns = 64;  // at a time: what a row of theirs takes is fetched from memory in one go
constexpr int kMostParts = 3;     // of a float32

// Rows of a matrix that will be needed soon, from some depth on.
template <class Value>
struct Ahead {
  const Value* from;
  int64_t pitch, rows;

  Ahead from_step(int64_t step) const { return {from + step * kStep, pitch, rows}; }
  TOKENLENSE_AMX void fetch(int64_t step) const {
    constexpr int64_t line = 64 / sizeof(Value);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t d = 0; d < kStep; d += line)
        _mm_prefetch(reinterpret_cast<const char*>(from + r * pitch + step * kStep + d), _MM_HINT_T1);
  }
};

// Two tiles of rows times two of columns over `steps`, into the first four tiles. Parts p of a row and q of a column are multiplied
// where p + q is below the larger number of parts. The small products come first, while the sums are small: then they round as one
// chain of float32 additions does.
template <int row_parts, int column_parts, class Soon>
TOKENLENSE_AMX inline void multiply(const Part* left0, const Part* left1, const Part* right0, const Part* right1, int64_t steps,
                                    const Soon& soon) {
  constexpr int most = std::max(row_parts, column_parts) - 1;
  clear_sums();
  const auto left = [&](int64_t step, int part) __attribute__((always_inline)) {
    const int64_t at = (step * row_parts + part) * kSize;
    load_left(left0 + at, left1 + at);
  };
  const auto right = [&](int64_t step, int part) __attribute__((always_inline)) {
    const int64_t at = (step * column_parts + part) * kSize;
    load_right(right0 + at, right1 + at);
  };
  for (int64_t s = 0; s < steps; ++s) {
    soon.fetch(s);
    int p = 0;
    if (column_parts > 1) left(s, p);  // else its only product is a full-sized one
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

// Four tiles of rows, `apart`, times one of columns, likewise.
template <int row_parts, int column_parts, class Soon>
TOKENLENSE_AMX inline void multiply_tall(const Part* left, int64_t apart, const Part* right, int64_t steps, const Soon& soon) {
  constexpr int most = std::max(row_parts, column_parts) - 1;
  clear_sums();
  const auto products = [&](int64_t step, int p) __attribute__((always_inline)) {
    const Part* from = left + (step * row_parts + p) * kSize;
    _tile_loadd(4, from, kBytes);
    _tile_loadd(5, from + apart, kBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, from + 2 * apart, kBytes);
    _tile_dpbf16ps(1, 5, 6);
    _tile_loadd(4, from + 3 * apart, kBytes);
    _tile_dpbf16ps(2, 7, 6);
    _tile_dpbf16ps(3, 4, 6);
  };
  for (int64_t s = 0; s < steps; ++s) {
    soon.fetch(s);
#pragma GCC unroll 3
    for (int q = column_parts - 1; q >= 0; --q) {
      _tile_loadd(6, right + (s * column_parts + q) * kSize, kBytes);
#pragma GCC unroll 3
      for (int p = row_parts - 1; p >= 0; --p)
        if (p + q > 0 && p + q <= most) products(s, p);
    }
  }
  for (int64_t s = 0; s < steps; ++s) {
    _tile_loadd(6, right + s * column_parts * kSize, kBytes);
    products(s, 0);
  }
}

// What is wanted of rows × columns float32 (two 16-wide halves of each row) into or onto c.
TOKENLENSE_AMX inline void put_rows(const float* low, const float* high, int64_t step, float* c, int64_t pitch, int64_t rows,
                                    int64_t columns, bool accumulate) {
  const __mmask16 first = mask_of(columns), second = mask_of(columns - kTile);
  for (int64_t r = 0; r < rows; ++r, c += pitch) {
    __m512 a = _mm512_load_ps(low + r * step), b = _mm512_load_ps(high + r * step);
    if (accumulate) {
      a = _mm512_add_ps(a, _mm512_maskz_loadu_ps(first, c));
      b = _mm512_add_ps(b, _mm512_maskz_loadu_ps(second, c + kTile));
    }
    _mm512_mask_storeu_ps(c, first, a);
    _mm512_mask_storeu_ps(c + kTile, second, b);
  }
}

// What the first four tiles come to over several chains of additions.
struct Sums {
  alignas(64) float values[4 * kWords];

  TOKENLENSE_AMX void take(bool first) {
    if (first) return store_sums(values);
    alignas(64) float more[4 * kWords];
    store_sums(more);
    for (int64_t i = 0; i < 4 * kWords; i += kTile)
      _mm512_store_ps(values + i, _mm512_add_ps(_mm512_load_ps(values + i), _mm512_load_ps(more + i)));
  }

  // Each tile transposed, into (or onto) c, of which `rows` × `columns` are wanted: two tiles of rows by two of columns.
  TOKENLENSE_AMX void put_turned(float* c, int64_t pitch, int64_t rows, int64_t columns, bool accumulate) {
    for (int t = 0; t < 4; ++t) transpose16(values + t * kWords);
    put_rows(values, values + 2 * kWords, kTile, c, pitch, std::min(rows, kTile), columns, accumulate);
    if (rows > kTile)
      put_rows(values + kWords, values + 3 * kWords, kTile, c + kTile * pitch, pitch, std::min(rows, kPair) - kTile, columns, accumulate);
  }
  // The same of four tiles of rows by one of columns.
  TOKENLENSE_AMX void put_tall(float* c, int64_t pitch, int64_t rows, int64_t columns, bool accumulate) {
    for (int t = 0; t < 4; ++t) transpose16(values + t * kWords);
    put_rows(values, values + kWords, kTile, c, pitch, rows, columns, accumulate);
    put_rows(values + 2 * kWords, values + 3 * kWords, kTile, c + kPair, pitch, rows, columns - kPair, accumulate);
  }
};

// What one thread works on: parts of the few rows and of some columns.
struct Workspace {
  alignas(64) Part few[kMostFewRows * kDepth * kMostParts], columns[kColumns * kDepth * kMostParts];
};
Workspace& workspace() {
  thread_local const Memory memory(sizeof(Workspace));
  return *reinterpret_cast<Workspace*>(memory.at(0));
}

// Few rows times weight [n, k]ᵀ, as weight · rowsᵀ: only the few are transposed then, and cut into parts once. What bounds it is the
// memory that the weight comes from, so some of it is fetched while what came before is multiplied.
template <int row_parts, int parts, class Weight>
struct FewRows {
  const float* rows;
  const Weight* weight;
  float* result;
  int64_t m, k, n, pitch;

  TOKENLENSE_AMX void range(int64_t first, int64_t last) const {
    auto& [right, left] = workspace();
    const Tiles configured;
    for (int64_t deep = 0; deep < k; deep += kDepth) {
      const int64_t steps = (std::min(kDepth, k - deep) + kStep - 1) / kStep;
      const int64_t left_tiles = steps * parts * kSize, right_tiles = steps * row_parts * kSize;
      Part* to = right;
      for (int64_t i = 0; i < ceil_to(m, kPair); i += kTile)
        for (int64_t s = 0; s < steps; ++s, to += row_parts * kSize) {
          left_tile<row_parts>(rows + i * pitch + deep + s * kStep, pitch, m - i, k - deep - s * kStep, to);
          for (int p = 0; p < row_parts; ++p) transpose16(to + p * kSize);
        }
      for (int64_t j = first; j < last; j += kColumns) {
        to = left;
        for (int64_t c = j; c < j + kColumns; c += kTile)
          for (int64_t s = 0; s < steps; ++s, to += parts * kSize)
            left_tile<parts>(weight + c * k + deep + s * kStep, k, std::min(n, last) - c, k - deep - s * kStep, to);
        const int64_t calls = 2 * (m / kPair) + (m % kPair > kTile ? 2 : m % kPair > 0), share = (kColumns + calls - 1) / calls;
        Ahead<Weight> ahead{weight + (j + kColumns) * k + deep, k, share};
        const Part* few = right;
        int64_t i = 0;
        for (; m - i > kTile; i += kPair, few += 2 * right_tiles)
          for (int64_t c = 0; c < 2; ++c, ahead.from += share * k) {
            const Part* from = left + 2 * c * left_tiles;
            Sums sums;
            for (int64_t s = 0; s < steps; s += kChain) {
              const int64_t l = s * parts * kSize, r = s * row_parts * kSize;
              multiply<parts, row_parts>(from + l, from + left_tiles + l, few + r, few + right_tiles + r, std::min(kChain, steps - s),
                                         ahead.from_step(s));
              sums.take(s == 0);
            }
            sums.put_turned(result + i * n + j + c * kPair, n, std::min(m - i, kPair), last - j - c * kPair, deep > 0);
          }
        if (i < m) {
          Sums sums;
          for (int64_t s = 0; s < steps; s += kChain) {
            multiply_tall<parts, row_parts>(left + s * parts * kSize, left_tiles, few + s * row_parts * kSize, std::min(kChain, steps - s),
                                            ahead.from_step(s));
            sums.take(s == 0);
          }
          sums.put_tall(result + i * n + j, n, m - i, last - j, deep > 0);
        }
      }
    }
  }

  void run() const {
    const int64_t threads = at::get_num_threads(), width = ceil_to((n + threads - 1) / threads, kPair);
    share_tasks((n + width - 1) / width, [&](int64_t t) { range(t * width, std::min(n, (t + 1) * width)); });
  }
};

template <int row_parts, int parts, class Weight>
at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix) {
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(0);
  TORCH_CHECK(m <= kMostFewRows, "few rows: there are ", m);
  at::Tensor result = at::empty({m, n}, rows.options());
  FewRows<row_parts, parts, Weight>{
      rows.const_data_ptr<float>(), matrix.const_data_ptr<Weight>(), result.data_ptr<float>(), m, k, n, rows.stride(0)}
      .run();
  return result;
}

}  // namespace

at::Tensor amx_few_rows_product(const at::Tensor& rows, const at::Tensor& matrix) {
  if (matrix.scalar_type() == at::kBFloat16) return product<2, 1, at::BFloat16>(rows, matrix);
  if (matrix.scalar_type() == at::kHalf) return product<kMostParts, 2, at::Half>(rows, matrix);
  return product<kMostParts, kMostParts, float>(rows, matrix);
}

}  // namespace tokenlense

#endif
