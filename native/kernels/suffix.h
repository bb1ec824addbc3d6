#pragma once
#include "head.h"

namespace tokenlense {

/// The model over sequences that agree with one clean sequence up to somewhere: only what comes after is computed, against the clean keys
/// and values. Without the layered contract's cache whole sequences run.
class SuffixForward {
 public:
  /// clean [1, length, width]
  SuffixForward(const Model& model, at::Tensor clean, TaskContext& context);

  const at::Tensor& clean() const { return clean_; }
  /// Hidden states of the clean sequence [1, length, width].
  const at::Tensor& hidden() const { return hidden_; }
  /// suffixes [n, length − start, width], or fewer rows, → hidden states of their rows, likewise.
  at::Tensor run(const at::Tensor& suffixes, int64_t start) const;
  /// Bytes that one row of one sequence takes while it runs; and what is held all the time.
  int64_t row_bytes() const { return 10 * clean_.size(2) * static_cast<int64_t>(sizeof(float)); }
  int64_t bytes() const;
  /// Whether less than whole sequences run.
  bool cached() const { return cached_; }

 private:
  const Model& model_;
  TaskContext& context_;
  at::Tensor clean_, hidden_;
  bool cached_;
  std::vector<at::Tensor> keys_, values_;  // by layer, [1, kv_heads, length, head_dim]
};

}  // namespace tokenlense
