#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <algorithm>
#include <array>
#include <atomic>

#include "amx_memory.h"
#include "amx_schemes.h"
#include "rows.h"

namespace tokenlense {
namespace {

using namespace amx;

constexpr int64_t kDepth = 576;   // at a time, and of one scale
constexpr int64_t kColumns = 64;  // at a time

// Rows of a matrix on their way into tiles, some at each call: tiles are multiplied by one unit, numbers cut by others.
template <class Scheme, class Value>
class Cutting {
 public:
  // In so many calls.
  Cutting(const Value* from, int64_t pitch, int64_t rows, int64_t depth, char* to, float* scales, int64_t calls)
      : next_(from),
        end_(from + rows * pitch),
        pitch_(pitch),
        depth_(depth),
        tiles_(to),
        scales_(scales),
        each_((rows * (steps() + 1) - 1) / calls + 1) {}

  TOKENLENSE_AMX void some() { take(each_); }
  TOKENLENSE_AMX void finish() { take(INT64_MAX); }

 private:
  int64_t steps() const { return (depth_ + Scheme::kStep - 1) / Scheme::kStep; }
  // Each turn a row's scale is found, or a step of it is cut.
  TOKENLENSE_AMX void take(int64_t turns) {
    for (; turns > 0; --turns) {
      if (left_ > 0) {
        for (int64_t b = 0; b < Scheme::kStep * int64_t{sizeof(Value)}; b += kBytes)
          _mm_prefetch(reinterpret_cast<const char*>(from_ + kTile * pitch_) + b, _MM_HINT_T1);
        row_.step(from_, left_, to_);
        from_ += Scheme::kStep, left_ -= Scheme::kStep, to_ += Scheme::kLeft * kTileBytes;
      } else if (next_ < end_) {
        from_ = next_, left_ = depth_, to_ = tiles_;
        row_.begin(from_, depth_, scales_);
        next_ += pitch_, ++scales_, tiles_ += kBytes;
        if (++row_of_tile_ == kTile) row_of_tile_ = 0, tiles_ += (steps() * Scheme::kLeft - 1) * kTileBytes;
      } else {
        return;
      }
    }
  }

  const Value *next_, *end_;
  int64_t pitch_, depth_;
  char* tiles_;
  float* scales_;
  int64_t each_;
  int row_of_tile_ = 0;
  // The row that is cut, what is left of it, and where it goes.
  typename Scheme::Row row_;
  const Value* from_ = nullptr;
  int64_t left_ = 0;
  char* to_ = nullptr;
};

// Columns, pair by pair of tiles, in as many shares as there are threads. A thread takes from the front of its own, for what comes next in
// memory to be fetched; one that has none left takes what is last of another's.
class Shares {
 public:
  Shares(int64_t pairs, int64_t threads) : threads_(std::min(threads, kMost)) {
    for (int64_t t = 0; t < threads_; ++t) left_[t] = pack(pairs * t / threads_, pairs * (t + 1) / threads_);
  }
  int64_t threads() const { return threads_; }

  struct Pairs {
    int64_t first, count;  // none: 0
  };
  Pairs take(int64_t thread, int64_t most) {
    for (int64_t i = 0; i < threads_; ++i) {
      auto& left = left_[(thread + i) % threads_];
      for (uint64_t seen = left; begin(seen) < end(seen);) {
        const int64_t count = std::min(most, end(seen) - begin(seen)), rest = end(seen) - count;
        if (left.compare_exchange_weak(seen, i == 0 ? pack(begin(seen) + count, end(seen)) : pack(begin(seen), rest)))
          return {i == 0 ? begin(seen) : rest, count};
      }
    }
    return {0, 0};
  }

 private:
  static constexpr int64_t kMost = 64;
  static uint64_t pack(int64_t begin, int64_t end) { return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end); }
  static int64_t begin(uint64_t left) { return static_cast<int64_t>(left >> 32); }
  static int64_t end(uint64_t left) { return static_cast<int64_t>(left & UINT32_MAX); }

  int64_t threads_;
  std::array<std::atomic<uint64_t>, kMost> left_;
};

// Few rows times weight [n, k]ᵀ, as weight · rowsᵀ: only the few, and what comes out, are transposed then, and the few are cut once. What
// bounds it is the memory that the weight comes from, so its next columns are fetched and cut while those before are multiplied.
template <class Scheme, class Weight>
struct FewRows {
  const float* rows;
  const Weight* weight;
  float* result;
  int64_t m, k, n, pitch;

  // What one thread works on: tiles of the few rows and of some columns, those that are multiplied and the next. Scales are read until
  // after the first block of the next.
  struct Workspace {
    static constexpr int64_t kSteps = (kDepth + Scheme::kStep - 1) / Scheme::kStep;
    alignas(64) char few[kMostFewRows / kTile * kSteps * Scheme::kRight * kTileBytes];
    alignas(64) char columns[2][kColumns / kTile * kSteps * Scheme::kLeft * kTileBytes];
    alignas(64) float few_scales[kMostFewRows], scales[3][kColumns];
  };
  static Workspace& workspace() {
    thread_local const Memory memory(sizeof(Workspace));
    return *reinterpret_cast<Workspace*>(memory.at(0));
  }

  // Depths from `deep` on, of the columns that this thread gets.
  TOKENLENSE_AMX void share(int64_t deep, int64_t thread, Shares& shares) const {
    Shares::Pairs now = shares.take(thread, kColumns / kPair);
    if (now.count == 0) return;
    Workspace& own = workspace();
    const Tiles configured;
    Blocks<Scheme, Turned> blocks;
    const int64_t pairs = m / kPair + (m % kPair > kTile), tall = m % kPair > 0 && m % kPair <= kTile;
    const int64_t depth = std::min(kDepth, k - deep), steps = (depth + Scheme::kStep - 1) / Scheme::kStep;
    const int64_t few_bytes = steps * Scheme::kRight * kTileBytes, column_bytes = steps * Scheme::kLeft * kTileBytes;
    const int64_t calls = (2 * pairs + tall) * steps * Scheme::kProducts;
    for (int64_t i = 0; i < ceil_to(m, kTile); i += kTile)
      Scheme::turned(rows + i * pitch + deep, pitch, m - i, depth, own.few + i / kTile * few_bytes, own.few_scales + i);
    const auto few = [&](int64_t row) { return Side{own.few + row / kTile * few_bytes, few_bytes, own.few_scales + row}; };
    const auto last = [&](const Shares::Pairs& some) { return std::min(n, (some.first + some.count) * kPair); };
    int64_t group = 0;
    const auto cutting = [&](const Shares::Pairs& some, int64_t into) {
      const int64_t j = some.first * kPair;
      return Cutting<Scheme, Weight>(weight + j * k + deep, k, some.count > 0 ? last(some) - j : 0, depth, own.columns[into % 2],
                                     own.scales[into % 3], calls);
    };
    cutting(now, 0).finish();
    for (; now.count > 0; ++group) {
      const Shares::Pairs then = shares.take(thread, kColumns / kPair);
      Cutting<Scheme, Weight> next = cutting(then, group + 1);
      const float* scales = own.scales[group % 3];
      const Side left{own.columns[group % 2], column_bytes, scales};
      const int64_t j = now.first * kPair, end = last(now);
      int64_t i = 0;
      for (; m - i > kTile; i += kPair)
        for (int64_t c = 0; c < end - j; c += kPair)
          blocks.multiply({left.at(c / kTile), column_bytes, scales + c}, few(i), steps,
                          {result + i * n + j + c, n, std::min(kPair, m - i), end - j - c, deep > 0}, next);
      if (i < m) blocks.template multiply<true>(left, few(i), steps, {result + i * n + j, n, m - i, end - j, deep > 0}, next);
      next.finish();
      now = then;
    }
    blocks.finish();
  }

  void run() const {
    for (int64_t deep = 0; deep < k; deep += kDepth) {
      Shares shares((n + kPair - 1) / kPair, at::get_num_threads());
      share_tasks(shares.threads(), [&](int64_t thread) { share(deep, thread, shares); });
    }
  }
};

template <class Scheme, class Weight>
at::Tensor product(const at::Tensor& rows, const at::Tensor& matrix) {
  const int64_t m = rows.size(0), k = rows.size(1), n = matrix.size(0);
  TORCH_CHECK(m <= kMostFewRows, "few rows: there are ", m);
  at::Tensor result = at::empty({m, n}, rows.options());
  FewRows<Scheme, Weight>{rows.const_data_ptr<float>(), matrix.const_data_ptr<Weight>(), result.data_ptr<float>(), m, k, n, rows.stride(0)}
      .run();
  return result;
}

}  // namespace

at::Tensor amx_few_rows_product(const at::Tensor& rows, const at::Tensor& matrix) {
  if (matrix.scalar_type() == at::kBFloat16) return product<Parts<1, 2>, at::BFloat16>(rows, matrix);
  if (matrix.scalar_type() == at::kHalf) return product<Digits<4>, at::Half>(rows, matrix);
  return product<Digits<4>, float>(rows, matrix);
}

}  // namespace tokenlense

#endif
