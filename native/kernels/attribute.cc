#include "attribute.h"

#include <chrono>

#include "../autograd/gemm.h"
#include "../error.h"
#include "crossing.h"
#include "forward.h"

namespace tokenlense {
namespace {

AttributionResult run(const Model& model, const GradientPlan& plan, TaskContext& context) {
  return attribute_gradient(model, plan, context);
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

}  // namespace

AttributionResult attribute(const Model& model, const AttributionPlan& plan, TaskContext& context) {
  return std::visit(
      [&](const auto& kind) {
        if (kind.prompt_length < 1) throw Error("PROMPT", "The prompt is empty: an output needs at least one token before it.");
        if (kind.outputs() < 1) throw Error("TARGET", "There is no output: the target adds no token to the prompt.");
        if constexpr (requires { kind.layer; })
          if (kind.layer >= stage_count(model))
            throw Error("INPUT", "There is no layer " + std::to_string(kind.layer) + " to attribute through; the model has " +
                                     std::to_string(stage_count(model)) + ", from 0 on.");
        const auto start = std::chrono::steady_clock::now();
        reset_flops();
        const int64_t before = outputs_before_switch(model, kind);
        AttributionResult result = before > 0 ? run_halves(model, kind, before, context) : run(model, kind, context);
        result.flops = counted_flops();
        result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return result;
      },
      plan);
}

}  // namespace tokenlense
