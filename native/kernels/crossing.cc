#include "crossing.h"

#include "../error.h"

namespace tokenlense {

int64_t outputs_before_switch(const Model& model, const Plan& plan) {
  const int64_t after = model.long_after();
  return after > 0 && plan.rows() > after ? std::max<int64_t>(0, after + 1 - plan.prompt_length) : 0;
}

void split_common(const Plan& plan, int64_t count, Plan& first, Plan& rest) {
  first.ids.resize(plan.high(count));
  rest.prompt_length = plan.high(count);
  rest.outputs_before = plan.outputs_before + count;
  if (!plan.contrast) return;
  first.contrast->positions.resize(count);
  rest.contrast->positions.erase(rest.contrast->positions.begin(), rest.contrast->positions.begin() + count);
}

void split_kind(const Plan&, Plan&, Plan&) {}

void split_kind(const PerturbationPlan& plan, PerturbationPlan& first, PerturbationPlan& rest) {
  if (plan.draws) throw Error("INPUT", "Draws of elsewhere go with texts on one side of the model's switch of positions.");
  first.masks.clear();
  for (size_t row = 0; row < plan.masks.size(); row += plan.rows())
    first.masks.insert(first.masks.end(), plan.masks.begin() + row, plan.masks.begin() + row + first.rows());
  for (PerturbationPlan* half : {&first, &rest}) half->value_texts.clear(), half->value_outputs.clear();
  for (size_t v = 0; v < plan.value_outputs.size(); ++v) {
    const bool early = plan.value_outputs[v] < first.outputs();
    PerturbationPlan& half = early ? first : rest;
    half.value_texts.push_back(plan.value_texts[v]);
    half.value_outputs.push_back(plan.value_outputs[v] - (early ? 0 : first.outputs()));
  }
}

AttributionResult joined(const Plan& plan, int64_t, AttributionResult first, AttributionResult rest) {
  const auto both = [](const at::Tensor& a, const at::Tensor& b) { return a.defined() ? at::cat({a, b}) : a; };
  // Positions beyond the first half's text stand before none of its outputs.
  std::vector<int64_t> sizes = first.scores.sizes().vec();
  sizes[0] = static_cast<int64_t>(plan.ids.size());
  at::Tensor early = at::zeros(sizes, first.scores.options());
  early.narrow(0, 0, first.scores.size(0)).copy_(first.scores);
  rest.scores = at::cat({early, rest.scores}, 1);
  for (auto& [name, values] : rest.step_scores) values = both(first.step_scores.at(name), values);
  rest.logits = both(first.logits, rest.logits);
  rest.deltas = both(first.deltas, rest.deltas);
  rest.steps = both(first.steps, rest.steps);
  rest.planned_bytes = std::max(first.planned_bytes, rest.planned_bytes);
  rest.block = std::max(first.block, rest.block);
  return rest;
}

AttributionResult joined(const PerturbationPlan& plan, int64_t count, AttributionResult first, AttributionResult rest) {
  const Plan& common = plan;
  if (plan.kind != PerturbationKind::masked) return joined(common, count, std::move(first), std::move(rest));
  std::vector<int64_t> early, late;  // places of the values
  for (size_t v = 0; v < plan.value_outputs.size(); ++v) (plan.value_outputs[v] < count ? early : late).push_back(static_cast<int64_t>(v));
  at::Tensor values = at::empty({static_cast<int64_t>(plan.value_outputs.size())}, rest.scores.options());
  values.index_copy_(0, at::tensor(early, at::kLong), first.scores).index_copy_(0, at::tensor(late, at::kLong), rest.scores);
  first.scores = at::zeros({0, 0}), rest.scores = at::zeros({static_cast<int64_t>(plan.ids.size()), 0});
  AttributionResult result = joined(common, count, std::move(first), std::move(rest));
  result.scores = values;
  return result;
}

}  // namespace tokenlense
