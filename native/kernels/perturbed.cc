#include "perturbed.h"

namespace tokenlense {
namespace {

// Rows of one forward pass: enough for its products to run at full speed, few enough to stay in the last-level cache.
constexpr int64_t kRows = 512;

}  // namespace

Perturbed::Perturbed(const Model& model, const PerturbationPlan& plan, TaskContext& context)
    : model_(model), plan_(plan), head_(model, plan, context), forward_(model, embed(model, plan.ids).narrow(1, 0, plan.rows()), context) {
  const at::Tensor hidden = head_.rows_before_outputs(forward_.hidden());
  values_ = head_.values(hidden, every_output(plan), &scored_);
  require_finite(values_, plan, "The attributed value");
  hold(0);
}

void Perturbed::hold(int64_t bytes) {
  held_ += bytes;
  const int64_t fixed = forward_.bytes() + head_.bytes() + held_, least = fixed + plan_.rows() * forward_.row_bytes();
  require_memory(least, plan_.memory_budget, plan_);
  most_rows_ = std::min(std::max(kRows, plan_.rows()), (plan_.memory_budget - fixed) / forward_.row_bytes());
}

int64_t Perturbed::together(int64_t start) const { return std::max<int64_t>(1, most_rows_ / (plan_.rows() - start)); }

at::Tensor Perturbed::hidden(const SuffixForward& base, const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const {
  const at::Tensor states = base.run(suffixes, start).flatten(0, 1);
  const int64_t length = suffixes.size(1);
  std::vector<int64_t> rows;
  for (const auto& row : wanted) rows.push_back(row.sequence * length + plan_.high(row.output) - 1 - start);
  return states.index_select(0, at::tensor(rows, at::kLong).to(states.device()));
}

at::Tensor Perturbed::values(const SuffixForward& base, const at::Tensor& suffixes, int64_t start, const std::vector<Row>& wanted) const {
  std::vector<int64_t> outputs;
  for (const auto& row : wanted) outputs.push_back(row.output);
  return head_.values(hidden(base, suffixes, start, wanted), outputs);
}

at::Tensor Perturbed::every_value(int64_t count, const Sequences& sequences, Progress* progress) const {
  std::vector<at::Tensor> values;
  for (int64_t from = 0, some; from < count; from += some) {
    some = std::min(together(0), count - from);
    std::vector<Row> wanted;
    for (int64_t i = 0; i < some; ++i)
      for (int64_t t = 0; t < plan_.outputs(); ++t) wanted.push_back({i, t});
    values.push_back(this->values(sequences(from, some), 0, wanted).view({some, plan_.outputs()}).cpu());
    if (progress) progress->advance(some);
  }
  return at::cat(values);
}

AttributionResult Perturbed::finish() const {
  AttributionResult result = scored_;
  result.planned_bytes = forward_.bytes() + head_.bytes() + held_ + most_rows_ * forward_.row_bytes();
  result.block = plan_.outputs();
  return result;
}

}  // namespace tokenlense
