#pragma once
#include "forward.h"
#include "perturbation.h"
#include "progress.h"
#include "suffix.h"

namespace tokenlense {

/// The attributed function on perturbed sequences.
class Perturbed {
 public:
  Perturbed(const Model& model, const PerturbationPlan& plan, TaskContext& context);

  const at::Tensor& clean() const { return forward_.clean(); }  // [1, rows, width]
  /// Of the clean sequence [outputs].
  const at::Tensor& clean_values() const { return values_; }

  struct Row {
    int64_t sequence, output;
  };
  /// Sequences that agree with the clean one before `start`: their rows from there [n, rows − start, width]. The function's value of each
  /// wanted (sequence, output).
  at::Tensor values(const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const;
  /// Likewise the hidden states [wanted, width].
  at::Tensor hidden(const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const;

  /// Of `count` whole sequences, which come by (first, how many): every output's value [count, outputs], in main memory.
  using Sequences = std::function<at::Tensor(int64_t from, int64_t count)>;
  at::Tensor every_value(int64_t count, const Sequences& sequences, Progress* progress = nullptr) const;

  /// Sequences from `start` on that run well and fit into memory together.
  int64_t together(int64_t start) const;

  /// Step scores and what the work took.
  AttributionResult finish() const;

 private:
  const Model& model_;
  const PerturbationPlan& plan_;
  Head head_;
  SuffixForward forward_;
  at::Tensor values_;
  AttributionResult scored_;  // step scores only
  int64_t most_rows_;
};

AttributionResult lime(const Model& model, const PerturbationPlan& plan, TaskContext& context);
AttributionResult reagent(const Model& model, const PerturbationPlan& plan, TaskContext& context);

}  // namespace tokenlense
