#include "perturbation.h"

#include "../error.h"
#include "perturbed.h"
#include "scores.h"

namespace tokenlense {
namespace {

AttributionResult nothing(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  AttributionResult result = Perturbed(model, plan, context).finish();
  result.scores = at::zeros({static_cast<int64_t>(plan.ids.size()), plan.outputs()}, at::kFloat);
  return result;
}

// The change of the attributed function when a window of tokens is replaced. One perturbed sequence serves every output after its window.
AttributionResult occlusion(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  Perturbed perturbed(model, plan, context);
  const at::Tensor baseline = embed_baseline(model, plan.baseline, plan.rows());
  const int64_t rows = plan.rows(), outputs = plan.outputs(), window = std::min(plan.window, plan.high(0));
  const int64_t windows = rows - window + 1;
  at::Tensor sums = at::zeros({static_cast<int64_t>(plan.ids.size()), outputs}, at::kDouble), counts = sums.clone();
  const at::Tensor clean = perturbed.clean_values().to(at::kDouble).cpu();
  Progress progress(context, windows);
  for (int64_t from = 0, count; from < windows; from += count) {
    count = std::min(perturbed.together(from), windows - from);
    at::Tensor suffixes = perturbed.clean().narrow(1, from, rows - from).expand({count, -1, -1}).clone();
    std::vector<Perturbed::Row> wanted;
    for (int64_t i = 0; i < count; ++i) {
      suffixes[i].narrow(0, i, window).copy_(baseline[0].narrow(0, from + i, window));
      for (int64_t t = 0; t < outputs; ++t)
        if (from + i + window <= plan.high(t)) wanted.push_back({i, t});
    }
    const at::Tensor values = perturbed.values(suffixes, from, wanted).to(at::kDouble).cpu();
    const double* value = values.const_data_ptr<double>();
    const double* before = clean.const_data_ptr<double>();
    auto sum = sums.accessor<double, 2>(), number = counts.accessor<double, 2>();
    for (size_t w = 0; w < wanted.size(); ++w)
      for (int64_t j = 0; j < window; ++j) {
        const int64_t position = from + wanted[w].sequence + j, t = wanted[w].output;
        sum[position][t] += before[t] - value[w];
        number[position][t] += 1;
      }
    progress.advance(count);
  }
  at::Tensor scores = (sums / counts.clamp_min(1)).to(at::kFloat);
  if (plan.absolute) scores.abs_();
  AttributionResult result = perturbed.finish();
  result.scores = scores;
  require_finite(scores.sum(0), plan, "The attribution");
  return result;
}

}  // namespace

AttributionResult attribute_perturbation(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  if (plan.kind == PerturbationKind::none) return nothing(model, plan, context);
  if (plan.kind == PerturbationKind::lime) return lime(model, plan, context);
  if (plan.kind == PerturbationKind::reagent) return reagent(model, plan, context);
  if (plan.kind == PerturbationKind::masked) return masked(model, plan, context);
  return occlusion(model, plan, context);
}

}  // namespace tokenlense
