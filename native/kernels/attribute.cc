#include "attribute.h"

#include <chrono>

#include "../autograd/gemm.h"
#include "../error.h"
#include "crossing.h"
#include "products.h"

namespace tokenlense {
namespace {

AttributionResult run(const Model& model, const GradientPlan& plan, TaskContext& context) {
  return std::move(attribute_gradients(model, {plan}, context).front());
}
AttributionResult run(const Model& model, const PathPlan& plan, TaskContext& context) { return attribute_path(model, plan, context); }
AttributionResult run(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  return attribute_perturbation(model, plan, context);
}
AttributionResult run(const Model& model, const InternalsPlan& plan, TaskContext& context) {
  return attribute_internals(model, plan, context);
}

template <class Kind>
AttributionResult run_halves(const Model& model, const Kind& plan, int64_t count, TaskContext& context) {
  const auto [first, rest] = split(plan, count);
  HalfContext early(context, 0), late(context, 1);
  AttributionResult before = run(model, first, early);
  return joined(plan, count, std::move(before), run(model, rest, late));
}

template <class Kind>
void require_possible(const Model& model, const Kind& plan) {
  if (plan.prompt_length < 1) throw Error("PROMPT", "The prompt is empty: an output needs at least one token before it.");
  if (plan.outputs() < 1) throw Error("TARGET", "There is no output: the target adds no token to the prompt.");
  if constexpr (requires { plan.layer; })
    if (plan.layer >= stage_count(model))
      throw Error("INPUT", "There is no layer " + std::to_string(plan.layer) + " to attribute through; the model has " +
                               std::to_string(stage_count(model)) + ", from 0 on.");
}

// Arithmetic and time of this thread, from here on.
class Measured {
 public:
  Measured() { reset_flops(); }
  void end() {
    flops_ = counted_flops();
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void tell(AttributionResult& result, double share = 1) const {
    result.flops = flops_ * share;
    result.seconds = seconds_ * share;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double flops_ = 0, seconds_ = 0;
};

}  // namespace

AttributionResult attribute(const Model& model, const AttributionPlan& plan, TaskContext& context) {
  return std::visit(
      [&](const auto& kind) {
        require_possible(model, kind);
        Measured measured;
        const int64_t before = outputs_before_switch(model, kind);
        AttributionResult result = before > 0 ? run_halves(model, kind, before, context) : run(model, kind, context);
        measured.end();
        measured.tell(result);
        return result;
      },
      plan);
}

std::vector<AttributionResult> attribute_together(const Model& model, const std::vector<GradientPlan>& plans, TaskContext& context) {
  if (plans.empty()) return {};
  double rows = 0;
  int64_t longest = 0;
  const auto rows_of = [](const Plan& plan) { return static_cast<double>(work_of(every_target(plan), 1)); };
  for (const auto& plan : plans) {
    require_possible(model, plan);
    rows += rows_of(plan);
    longest = std::max(longest, plan.rows());
  }
  std::vector<AttributionResult> apart;
  if (const int64_t after = model.long_after(); after > 0 && longest > after) {  // one batch has one set of positions
    for (const auto& plan : plans) apart.push_back(attribute(model, plan, context));
    return apart;
  }
  Measured measured;
  auto results = attribute_gradients(model, plans, context);
  measured.end();
  for (size_t i = 0; i < plans.size(); ++i) measured.tell(results[i], rows_of(plans[i]) / rows);
  return results;
}

}  // namespace tokenlense
