#include "amx.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)

#include <algorithm>

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

  TOKENLENSE_AMX void range(int64_t first, int64_t last) const {
    Workspace& own = workspace();
    const Tiles configured;
    Blocks<Scheme, Turned> blocks;
    const int64_t pairs = m / kPair + (m % kPair > kTile), tall = m % kPair > 0 && m % kPair <= kTile;
    for (int64_t deep = 0; deep < k; deep += kDepth) {
      const int64_t depth = std::min(kDepth, k - deep), steps = (depth + Scheme::kStep - 1) / Scheme::kStep;
      const int64_t few_bytes = steps * Scheme::kRight * kTileBytes, column_bytes = steps * Scheme::kLeft * kTileBytes;
      const int64_t calls = (2 * pairs + tall) * steps * Scheme::kProducts;
      blocks.finish();  // with the scales of the depths before
      for (int64_t i = 0; i < ceil_to(m, kTile); i += kTile)
        Scheme::turned(rows + i * pitch + deep, pitch, m - i, depth, own.few + i / kTile * few_bytes, own.few_scales + i);
      const auto few = [&](int64_t row) { return Side{own.few + row / kTile * few_bytes, few_bytes, own.few_scales + row}; };
      int64_t group = 0;
      const auto cutting = [&](int64_t j, int64_t into) {
        return Cutting<Scheme, Weight>(weight + j * k + deep, k, std::clamp<int64_t>(last - j, 0, kColumns), depth, own.columns[into % 2],
                                       own.scales[into % 3], calls);
      };
      cutting(first, 0).finish();
      for (int64_t j = first; j < last; j += kColumns, ++group) {
        Cutting<Scheme, Weight> next = cutting(j + kColumns, group + 1);
        const float* scales = own.scales[group % 3];
        const Side left{own.columns[group % 2], column_bytes, scales};
        int64_t i = 0;
        for (; m - i > kTile; i += kPair)
          for (int64_t c = 0; c < kColumns; c += kPair)
            blocks.multiply({left.at(c / kTile), column_bytes, scales + c}, few(i), steps,
                            {result + i * n + j + c, n, std::min(kPair, m - i), last - j - c, deep > 0}, next);
        if (i < m) blocks.template multiply<true>(left, few(i), steps, {result + i * n + j, n, m - i, last - j, deep > 0}, next);
        next.finish();
      }
    }
    blocks.finish();
  }

  void run() const {
    const int64_t threads = at::get_num_threads(), width = ceil_to((n + threads - 1) / threads, kPair);
    share_tasks((n + width - 1) / width, [&](int64_t t) { range(t * width, std::min(n, (t + 1) * width)); });
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
