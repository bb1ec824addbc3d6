#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <algorithm>
#include <utility>

#include "amx_pieces.h"
#include "amx_schemes.h"
#include "rows.h"
#include "rules.h"

namespace tokenlense {
namespace {

using namespace amx;

constexpr int64_t kDepth = 576;            // at a time, and of one scale
constexpr int64_t kLeftBytes = 576 << 10;  // of rows' tiles at a time: these and some columns' stay in a second-level cache
constexpr int64_t kMostRows = 3072;        // likewise

template <class Scheme, class Weight>
struct Product {
  const float* rows;
  const Weight* weight;
  float* result;
  int64_t m, k, n, pitch;  // of rows
  bool transposed;         // weight is [n, k]

  static constexpr int64_t kStep = Scheme::kStep;

  void run(Pieces pieces) const {
    const int64_t threads = at::get_num_threads(), scales = (k + kDepth - 1) / kDepth, most = ceil_to((k + scales - 1) / scales, kStep);
    const int64_t row_bytes = most / kStep * Scheme::kLeft * kBytes, column_bytes = most / kStep * Scheme::kRight * kBytes;
    const int64_t group = std::clamp<int64_t>(kRightBytes / column_bytes / kPair * kPair, kPair, kMostColumns);
    const int64_t highest = std::min(kLeftBytes / row_bytes / kPair * kPair, kMostRows), fit = (m + highest - 1) / highest;
    const int64_t down = m > 2 * threads * kPair ? ceil_to(fit, threads) : fit, height = ceil_to((m + down - 1) / down, kPair);
    for (int64_t deep = 0; deep < k; deep += most)
      for (int64_t first = 0; first < n; first += group) {
        Part part{deep, std::min(most, k - deep), first, std::min(group, n - first)};
        const int64_t pairs = part.pairs();
        part.piece = pieces.next(pairs * kPair, pairs * 2 * part.right_bytes(),
                                 [&](const Piece& to) { share_tasks(pairs, [&](int64_t pair) { pack_columns(part, pair, to); }); });
        const int64_t across = std::clamp<int64_t>((2 * threads + down - 1) / down, 1, pairs), width = (pairs + across - 1) / across;
        share_tasks(down * across, [&](int64_t t) {
          const int64_t row = t / across * height, pair = t % across * width;
          if (row < m && pair < pairs) multiply(part, row, std::min(m, row + height), pair, std::min(pairs, pair + width));
        });
      }
  }

 private:
  // Depths and columns that are multiplied at a time.
  struct Part {
    int64_t deep, depth, first, count;
    Piece piece{};
    int64_t steps() const { return (depth + kStep - 1) / kStep; }
    int64_t left_bytes() const { return steps() * Scheme::kLeft * kTileBytes; }  // of 16 rows
    int64_t right_bytes() const { return steps() * Scheme::kRight * kTileBytes; }
    int64_t pairs() const { return (count + kPair - 1) / kPair; }  // of tiles
  };

  TOKENLENSE_AMX void pack_columns(const Part& part, int64_t pair, const Piece& piece) const {
    char* to = piece.tiles + 2 * pair * part.right_bytes();
    float* scales = piece.scales + pair * kPair;
    const int64_t column = part.first + pair * kPair;
    if (!transposed) return Scheme::columns(weight + part.deep * n + column, n, n - column, part.depth, to, scales);
    for (int64_t t = 0; t < kPair; t += kTile, to += part.right_bytes())
      Scheme::turned(weight + (column + t) * k + part.deep, k, n - column - t, part.depth, to, scales + t);
  }

  // Some rows by some pairs of tiles of columns.
  TOKENLENSE_AMX void multiply(const Part& part, int64_t row, int64_t last_row, int64_t pair, int64_t last_pair) const {
    alignas(64) thread_local float scales[kMostRows];
    thread_local const Memory memory(kLeftBytes);
    char* left = memory.at(0);
    const int64_t left_bytes = part.left_bytes(), right_bytes = part.right_bytes(), pairs = (last_row - row + kPair - 1) / kPair;
    for (int64_t i = 0; i < 2 * pairs; ++i) {
      const int64_t at = row + i * kTile;
      Scheme::rows(rows + at * pitch + part.deep, pitch, m - at, part.depth, left + i * left_bytes, scales + i * kTile);
    }
    const Tiles configured;
    Blocks<Scheme> blocks;
    for (int64_t j = pair; j < last_pair; ++j) {
      const Side right{part.piece.tiles + 2 * j * right_bytes, right_bytes, part.piece.scales + j * kPair};
      Ahead next_columns;
      if (j + 1 < last_pair) next_columns = {right.at(2), 2 * right_bytes, pairs * part.steps() * Scheme::kProducts};
      for (int64_t i = 0; i < pairs; ++i) {
        const int64_t r = row + i * kPair, c = part.first + j * kPair;
        blocks.multiply({left + 2 * i * left_bytes, left_bytes, scales + i * kPair}, right, part.steps(),
                        {result + r * n + c, n, std::min(kPair, m - r), std::min(kPair, n - c), part.deep > 0}, next_columns);
      }
    }
    blocks.finish();
  }
};

template <class Scheme, class Weight>
at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(transposed ? 0 : 1);
  at::Tensor result = at::empty({m, n}, rows.options());
  const Product<Scheme, Weight> product{
      rows.const_data_ptr<float>(), matrix.const_data_ptr<Weight>(), result.data_ptr<float>(), m, k, n, rows.stride(0), transposed};
  product.run({matrix, transposed});
  return result;
}

thread_local bool coarse_on_this_thread = false;

template <class Weight>
at::Tensor product_of_digits(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  const bool fine = transposed || (matrix.size(1) > rows.size(1) && !coarse_on_this_thread);
  return fine ? product<Digits<4>, Weight>(rows, matrix, transposed) : product<Digits<3>, Weight>(rows, matrix, false);
}

}  // namespace

CoarseCotangents::CoarseCotangents() : before_(std::exchange(coarse_on_this_thread, true)) {}
CoarseCotangents::~CoarseCotangents() { coarse_on_this_thread = before_; }

KeptTiles::KeptTiles(int64_t bytes) : store_(std::make_unique<Store>(bytes)), before_(store_of_this_thread) {
  store_of_this_thread = store_.get();
}
KeptTiles::~KeptTiles() { store_of_this_thread = before_; }
void KeptTiles::clear() {
  store_->matrices.clear();
  store_->used = 0;
}

at::Tensor amx_product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  if (matrix.scalar_type() == at::kBFloat16) {
    if (transposed || current_rules() == Rules::deeplift) return product<Parts<2, 1>, at::BFloat16>(rows, matrix, transposed);
    return product<Parts<1, 1>, at::BFloat16>(rows, matrix, false);
  }
  if (matrix.scalar_type() == at::kHalf) return product_of_digits<at::Half>(rows, matrix, transposed);
  return product_of_digits<float>(rows, matrix, transposed);
}

}  // namespace tokenlense

#endif
