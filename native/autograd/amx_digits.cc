#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include "amx_digits.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "rows.h"

namespace tokenlense {
namespace {

using namespace amx;

constexpr int64_t kDepth = 576;              // at a time, and of one scale
constexpr int64_t kLeftBytes = 576 << 10;    // of rows' digits at a time: these and some columns' stay in a second-level cache
constexpr int64_t kRightBytes = 4 << 20;     // of columns' digits at a time
constexpr int64_t kMostColumns = 8192;       // likewise
constexpr int64_t kLevelWords = 4 * kWords;  // sums of one level: of four tiles

// In large pages where the system has them: the tiles lie on hundreds of small ones.
class Memory {
 public:
  explicit Memory(size_t bytes) {
    constexpr size_t page = size_t{2} << 20;
    bytes = (bytes + page - 1) / page * page;
    memory_.reset(static_cast<char*>(std::aligned_alloc(page, bytes)));
    if (!memory_) throw std::bad_alloc();
    madvise(memory_.get(), bytes, MADV_HUGEPAGE);
  }
  char* at(int64_t offset) const { return memory_.get() + offset; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<char, Free> memory_;
};

// Digits of some columns, tile by tile, at depths of one scale; and for each column what sums are multiplied with.
struct Piece {
  Digit* digits = nullptr;
  float* scales = nullptr;
};

}  // namespace

struct KeptDigits::Store {
  explicit Store(int64_t bytes) : capacity(bytes) {}

  struct Kept {
    at::Tensor matrix;  // held, so that no other comes to lie there
    std::vector<Piece> pieces;
  };
  // Nothing where it does not fit.
  Piece take(int64_t columns, int64_t bytes) {
    const int64_t scales = ceil_to(columns * static_cast<int64_t>(sizeof(float)), kBytes);
    if (used + bytes + scales > capacity) return {};
    if (!memory) memory.emplace(capacity);
    const Piece piece{reinterpret_cast<Digit*>(memory->at(used)), reinterpret_cast<float*>(memory->at(used + bytes))};
    used += bytes + scales;
    return piece;
  }

  int64_t capacity, used = 0;
  std::optional<Memory> memory;
  std::map<std::array<int64_t, 4>, Kept> matrices;
};

namespace {

thread_local KeptDigits::Store* store_of_this_thread = nullptr;

// Where a product's columns' digits are, piece by piece: kept, or in memory that each piece takes anew.
class Pieces {
 public:
  Pieces(const at::Tensor& matrix, bool transposed) {
    if (store_of_this_thread == nullptr) return;
    const auto address = reinterpret_cast<int64_t>(matrix.const_data_ptr());
    kept_ = &store_of_this_thread->matrices[{address, matrix.size(0), matrix.size(1), transposed}];
    kept_->matrix = matrix;
  }
  // body(piece) where the digits are not there yet.
  template <class Body>
  Piece next(int64_t columns, int64_t bytes, const Body& body) {
    Piece piece;
    if (kept_ != nullptr) {
      if (next_ == kept_->pieces.size()) kept_->pieces.emplace_back();
      Piece& own = kept_->pieces[next_++];
      if (own.digits != nullptr) return own;
      piece = own = store_of_this_thread->take(columns, bytes);
    }
    if (piece.digits == nullptr) {
      thread_local const Memory scratch(kRightBytes + kMostColumns * sizeof(float));
      piece = {reinterpret_cast<Digit*>(scratch.at(0)), reinterpret_cast<float*>(scratch.at(kRightBytes))};
    }
    body(piece);
    return piece;
  }

 private:
  KeptDigits::Store::Kept* kept_ = nullptr;
  size_t next_ = 0;
};

// Memory that will be read soon: fetched into the second-level cache while tiles are multiplied.
class Ahead {
 public:
  Ahead() = default;
  // In so many calls.
  Ahead(const Digit* from, int64_t bytes, int64_t calls) : at_(from), end_(from + bytes), each_((bytes / kBytes + calls - 1) / calls) {}

  TOKENLENSE_AMX void some() {
    for (int64_t i = 0; i < each_ && at_ < end_; ++i, at_ += kBytes) _mm_prefetch(reinterpret_cast<const char*>(at_), _MM_HINT_T1);
  }

 private:
  const Digit *at_ = nullptr, *end_ = nullptr;
  int64_t each_ = 0;
};

// Where a block's results go.
struct Place {
  float* c = nullptr;
  int64_t pitch = 0, rows = 0, columns = 0;
  bool accumulate = false;
};

// The sums of a block, two tiles of rows by two of columns, on their way into the result: row by row while the next block is multiplied.
template <int digits>
class Results {
 public:
  // What is left of the last is finished already. rows, columns: what their sums are multiplied with.
  void begin(const int32_t* sums, const Place& to, const float* rows, const float* columns) {
    sums_ = sums, to_ = to, rows_ = rows, columns_ = columns, next_ = 0;
  }
  TOKENLENSE_AMX void some() {
    if (next_ == to_.rows) return;
    put(0);
    put(1);
    ++next_;
  }
  TOKENLENSE_AMX void finish() {
    while (next_ < to_.rows) some();
  }

 private:
  TOKENLENSE_AMX void put(int64_t half) const {
    const int32_t* from = sums_ + (next_ / kTile * 2 + half) * kWords + next_ % kTile * kTile;
    __m512 sum = _mm512_cvtepi32_ps(_mm512_load_si512(from + (digits - 1) * kLevelWords));
    float unit = 256;  // in units of the last level's
#pragma GCC unroll 3
    for (int level = digits - 2; level >= 0; --level, unit *= 256)
      sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(from + level * kLevelWords)), _mm512_set1_ps(unit), sum);
    sum = _mm512_mul_ps(_mm512_mul_ps(sum, _mm512_set1_ps(rows_[next_])), _mm512_load_ps(columns_ + half * kTile));
    const __mmask16 mask = mask_of(to_.columns - half * kTile);
    float* c = to_.c + next_ * to_.pitch + half * kTile;
    if (to_.accumulate) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(mask, c));
    _mm512_mask_storeu_ps(c, mask, sum);
  }

  const int32_t* sums_ = nullptr;
  Place to_;
  const float *rows_ = nullptr, *columns_ = nullptr;
  int64_t next_ = 0;
};

// Two tiles of rows times two of columns. The products of digits p and q, p + q = level, are summed for each level apart.
template <int digits>
struct Block {
  const Digit *left0, *left1, *right0, *right1;
  int64_t steps;
  int32_t* sums;
  Place to;
  Results<digits>* before;
  Ahead* next_columns;
  int64_t fetched = 0;  // rows of c

  static constexpr int64_t kProducts = digits * (digits + 1) / 2;

  template <int level = digits - 1>
  TOKENLENSE_AMX void multiply() {
    clear_sums();
    for (int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 4
      for (int p = 0; p <= level; ++p) {
        const int64_t l = (s * digits + p) * kSize, r = (s * digits + level - p) * kSize;
        load_left(left0 + l, left1 + l);
        load_right(right0 + r, right1 + r);
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
        before->some();
        next_columns->some();
        if (fetched < to.rows) {  // written soon
          const float* c = to.c + fetched++ * to.pitch;
          __builtin_prefetch(c, 1);
          __builtin_prefetch(c + kTile, 1);
        }
      }
    store_sums(sums + level * kLevelWords);
    if constexpr (level > 0) multiply<level - 1>();
  }
};

template <int digits, class Weight>
struct Product {
  const float* rows;
  const Weight* weight;
  float* result;
  int64_t m, k, n, pitch;  // of rows
  bool transposed;         // weight is [n, k]

  static constexpr int64_t kStepBytes = digits * kSize;
  // Of a sum in units of the last level.
  static constexpr float kUnit = digits == 4 ? 0x1p24f : 0x1p16f;

  void run(Pieces pieces) const {
    const int64_t threads = at::get_num_threads(), scales = (k + kDepth - 1) / kDepth, most = ceil_to((k + scales - 1) / scales, kStep);
    const int64_t column_bytes = most / kStep * kStepBytes / kTile;
    const int64_t group = std::clamp<int64_t>(kRightBytes / column_bytes / kPair * kPair, kPair, kMostColumns);
    const int64_t highest = kLeftBytes / column_bytes / kPair * kPair, fit = (m + highest - 1) / highest;
    const int64_t down = m > 2 * threads * kPair ? ceil_to(fit, threads) : fit, height = ceil_to((m + down - 1) / down, kPair);
    for (int64_t deep = 0; deep < k; deep += most)
      for (int64_t first = 0; first < n; first += group) {
        Part part{deep, std::min(most, k - deep), first, std::min(group, n - first)};
        const int64_t pairs = part.pairs();
        part.piece = pieces.next(pairs * kPair, pairs * 2 * part.tile_bytes(),
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
    int64_t tile_bytes() const { return steps() * kStepBytes; }
    int64_t pairs() const { return (count + kPair - 1) / kPair; }  // of tiles
  };

  TOKENLENSE_AMX void pack_columns(const Part& part, int64_t pair, const Piece& piece) const {
    Digit* to = piece.digits + 2 * pair * part.tile_bytes();
    float* scales = piece.scales + pair * kPair;
    const int64_t column = part.first + pair * kPair, left[2] = {n - column, n - column - kTile};
    if (transposed) {
      for (int64_t t = 0; t < 2; ++t, to += part.tile_bytes()) {
        pack_rows(weight + (column + t * kTile) * k + part.deep, k, left[t], part.depth, to, scales + t * kTile, kUnit);
        for (int64_t i = 0; i < part.tile_bytes(); i += kSize) transpose16(to + i);
      }
      return;
    }
    // Of two tiles at a time: two lines of memory a row, as they are fetched. Each row lies on another page, where no hardware looks ahead.
    const Weight* from = weight + part.deep * n + column;
    __m512i largest[2] = {};
    for (int64_t d = 0; d < part.depth; ++d)
      for (int64_t t = 0; t < 2; ++t) {
        const Weight* at = from + d * n + t * kTile;
        largest[t] = _mm512_max_epu32(largest[t], magnitude(load16(at, mask_of(left[t]))));
        _mm_prefetch(reinterpret_cast<const char*>(at + 24 * n), _MM_HINT_T0);
      }
    for (int64_t t = 0; t < 2; ++t) {
      const Scale scale = scale_of<digits>(largest[t]);
      _mm512_store_ps(scales + t * kTile, _mm512_mul_ps(scale.from, _mm512_set1_ps(kUnit)));
      for (int64_t d = 0; d < part.depth; d += kStep, to += kStepBytes)
        right_tile<digits>(from + d * n + t * kTile, n, part.depth - d, left[t], scale.to, to);
    }
  }

  // 16 rows.
  template <class Value>
  TOKENLENSE_AMX static void pack_rows(const Value* from, int64_t pitch, int64_t count, int64_t depth, Digit* to, float* scales,
                                       float unit) {
    const Scale scale = scale_of<digits>(row_most(from, pitch, count, depth));
    alignas(64) float by[kTile];
    _mm512_store_ps(by, scale.to);
    _mm512_store_ps(scales, _mm512_mul_ps(scale.from, _mm512_set1_ps(unit)));
    for (int64_t d = 0; d < depth; d += kStep, to += kStepBytes) left_tile<digits>(from + d, pitch, count, depth - d, by, to);
  }

  // Some rows by some pairs of tiles of columns.
  TOKENLENSE_AMX void multiply(const Part& part, int64_t row, int64_t last_row, int64_t pair, int64_t last_pair) const {
    alignas(64) thread_local float scales[kLeftBytes / kStepBytes * kTile];
    thread_local const Memory memory(kLeftBytes);
    auto* left = reinterpret_cast<Digit*>(memory.at(0));
    const int64_t tile_bytes = part.tile_bytes(), pairs = (last_row - row + kPair - 1) / kPair;
    for (int64_t i = 0; i < 2 * pairs; ++i) {
      const int64_t at = row + i * kTile;
      pack_rows(rows + at * pitch + part.deep, pitch, m - at, part.depth, left + i * tile_bytes, scales + i * kTile, 1);
    }
    const Tiles configured;
    alignas(64) int32_t sums[2][digits * kLevelWords];
    Results<digits> results;
    int which = 0;
    for (int64_t j = pair; j < last_pair; ++j) {
      const Digit* right = part.piece.digits + 2 * j * tile_bytes;
      Ahead next_columns;
      if (j + 1 < last_pair) next_columns = {right + 2 * tile_bytes, 2 * tile_bytes, pairs * part.steps() * Block<digits>::kProducts};
      for (int64_t i = 0; i < pairs; ++i, which ^= 1) {
        const Digit* from = left + 2 * i * tile_bytes;
        const int64_t r = row + i * kPair, c = part.first + j * kPair;
        const Place to{result + r * n + c, n, std::min(kPair, m - r), std::min(kPair, n - c), part.deep > 0};
        Block<digits> block{from, from + tile_bytes, right, right + tile_bytes, part.steps(), sums[which], to, &results, &next_columns};
        block.multiply();
        results.finish();
        results.begin(sums[which], to, scales + i * kPair, part.piece.scales + j * kPair);
      }
    }
    results.finish();
  }
};

template <class Weight>
at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed, const Weight* weight) {
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(transposed ? 0 : 1), pitch = rows.stride(0);
  at::Tensor result = at::empty({m, n}, rows.options());
  const float* in = rows.const_data_ptr<float>();
  float* out = result.data_ptr<float>();
  if (transposed)
    Product<4, Weight>{in, weight, out, m, k, n, pitch, true}.run({matrix, true});
  else
    Product<3, Weight>{in, weight, out, m, k, n, pitch, false}.run({matrix, false});
  return result;
}

}  // namespace

KeptDigits::KeptDigits(int64_t bytes) : store_(std::make_unique<Store>(bytes)), before_(store_of_this_thread) {
  store_of_this_thread = store_.get();
}
KeptDigits::~KeptDigits() { store_of_this_thread = before_; }
void KeptDigits::clear() {
  store_->matrices.clear();
  store_->used = 0;
}

at::Tensor amx_digits_product(const at::Tensor& rows, const at::Tensor& matrix, bool transposed) {
  if (matrix.scalar_type() == at::kHalf) return product(rows, matrix, transposed, matrix.const_data_ptr<at::Half>());
  return product(rows, matrix, transposed, matrix.const_data_ptr<float>());
}

}  // namespace tokenlense

#endif
