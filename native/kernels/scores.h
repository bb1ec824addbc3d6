#pragma once
#include "plan.h"

namespace tokenlense {

/// The matrix of scores that a kernel fills, output by output: [sequence, outputs], or [sequence, outputs, width] where the embedding
/// dimension is kept. Zero where a position does not come before the output.
class Scores {
 public:
  /// like: a tensor whose last dimension is the width, on the device of the work.
  Scores(const Plan& plan, Reduce reduce, const at::Tensor& like);
  int64_t bytes() const { return static_cast<int64_t>(values_.nbytes()); }
  /// value [rows, width] of positions low, low + 1, …
  void put(int64_t output, int64_t low, const at::Tensor& value);
  /// @throws NON_FINITE naming the output.
  at::Tensor finish(const std::string& what) const;

 private:
  const Plan& plan_;
  Reduce reduce_;
  at::Tensor values_;
};

}  // namespace tokenlense
