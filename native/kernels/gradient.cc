#include "gradient.h"

#include "head.h"
#include "products.h"
#include "scores.h"

// One forward pass over the whole sequence, then one vector-Jacobian product per output: with a causal mask the outputs do not see later
// tokens, so teacher forcing gives the same gradients as a pass per output.

namespace tokenlense {

AttributionResult attribute_gradient(const Model& model, const GradientPlan& plan, TaskContext& context) {
  AttributionResult result;
  const bool pairs = plan.rules == Rules::deeplift;
  at::Tensor input = embed(model, plan.ids).narrow(1, 0, plan.rows());
  if (pairs) input = at::cat({input, embed_baseline(model, *plan.baseline, plan.rows())});
  input = through_stages(model, input, 0, plan.layer, context);

  StagedForward forward(model, input, plan.layer, plan.memory_budget * 2 / 5, plan.rules, context);
  const Head head(model, plan, context);
  const at::Tensor hidden = head.rows_before_outputs(forward.hidden());
  const auto outputs = every_output(plan);
  at::Tensor values, cotangents, base;
  if (pairs) {
    const auto found = head.multipliers(hidden, head.rows_before_outputs(forward.hidden().narrow(0, 1, 1)), outputs);
    values = found.values, base = found.baseline_values, cotangents = found.cotangents;
    head.score(hidden, result);  // the pairs' logits may round otherwise than the text's own
  } else {
    const auto found = head.cotangents(hidden, outputs, plan.rules, &result);
    values = found.values, cotangents = found.cotangents;
  }
  require_finite(values, plan, "The attributed value");

  const at::Tensor factor = !plan.multiply_by_input ? at::Tensor() : pairs ? input[0] - input[1] : input[0];
  Scores scores(plan, plan.reduce, input);
  const auto targets = every_target(plan);
  Progress progress(context, work_of(targets, forward.count()));
  const ProductsBudget budget{plan, head.bytes() + scores.bytes()};
  at::Tensor sums = at::zeros({plan.outputs()}, at::kDouble);
  const auto report = products(model, forward, targets, cotangents, budget, progress, [&](const Target& target, const at::Tensor& rows) {
    const at::Tensor value = factor.defined() ? rows * factor.narrow(0, target.floor, target.rows()) : rows;
    if (plan.rules != Rules::gradient) sums[target.output] = value.sum(at::kDouble).cpu();
    scores.put(target.output, target.floor, value);
  });
  result.scores = scores.finish("The attribution");
  if (plan.rules != Rules::gradient) result.deltas = (sums - (pairs ? values - base : values).cpu()).to(at::kFloat);
  result.engine = report.engine;
  result.planned_bytes = report.planned_bytes;
  result.block = report.block;
  return result;
}

}  // namespace tokenlense
