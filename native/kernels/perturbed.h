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
  const SuffixForward& forward() const { return forward_; }
  /// Of the clean sequence [outputs].
  const at::Tensor& clean_values() const { return values_; }

  struct Row {
    int64_t sequence, output;
  };
  /// Sequences that agree with the clean one before `start`: their rows from there [n, rows − start, width]. The function's value of each
  /// wanted (sequence, output).
  at::Tensor values(const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const {
    return values(forward_, suffixes, start, wanted);
  }
  /// The same of sequences that agree with that of `base`; they may end before it, after the last row that is wanted.
  at::Tensor values(const SuffixForward& base, const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const;
  /// Likewise the hidden states [wanted, width].
  at::Tensor hidden(const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const {
    return hidden(forward_, suffixes, start, wanted);
  }

  /// Of `count` whole sequences, which come by (first, how many): every output's value [count, outputs], in main memory.
  using Sequences = std::function<at::Tensor(int64_t from, int64_t count)>;
  at::Tensor every_value(int64_t count, const Sequences& sequences, Progress* progress = nullptr) const;

  /// Sequences from `start` on that run well and fit into memory together.
  int64_t together(int64_t start) const;
  /// Rows, of however many sequences, that run well and fit into memory together.
  int64_t most_rows() const { return most_rows_; }
  /// Other sequences to start from take so many bytes. @throws MEMORY
  void hold(int64_t bytes);

  /// Step scores and what the work took.
  AttributionResult finish() const;

 private:
  at::Tensor hidden(const SuffixForward& base, const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const;
  const Model& model_;
  const PerturbationPlan& plan_;
  Head head_;
  SuffixForward forward_;
  at::Tensor values_;
  AttributionResult scored_;  // step scores only
  int64_t held_ = 0, most_rows_;
};

AttributionResult lime(const Model& model, const PerturbationPlan& plan, TaskContext& context);
AttributionResult reagent(const Model& model, const PerturbationPlan& plan, TaskContext& context);
AttributionResult masked(const Model& model, const PerturbationPlan& plan, TaskContext& context);

}  // namespace tokenlense
