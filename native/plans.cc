#include "fields.h"

// Attribution plans, one reader for each kind.

namespace tokenlense {
namespace {

StepFunction step_function(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  return StepFunction(fields.text("name"), fields.text("source"));
}

Reduce reduction(const Fields& fields) {
  return one_of<Reduce>(fields, "reduce", {{"l2", Reduce::l2}, {"sum", Reduce::sum}, {"none", Reduce::none}});
}

Contrast contrast(const Fields& plan, const Plan& common) {
  const Fields fields(plan.get("contrast"), plan.path("contrast"));
  Contrast contrast{fields.ids("ids"), fields.ids("positions"), fields.flag("ownPrefix")};
  if (static_cast<int64_t>(contrast.positions.size()) != common.outputs()) wrong(fields.path("positions"), "one for each output");
  for (const int64_t position : contrast.positions)
    if (position < 1 || position >= static_cast<int64_t>(contrast.ids.size())) wrong(fields.path("positions"), "within the contrast's ids");
  return contrast;
}

void read_common(const Fields& fields, Plan& plan) {
  plan.ids = fields.ids("ids");
  plan.prompt_length = fields.integer("promptLength", 0);
  plan.step = step_function(fields.get("step"), fields.path("step"));
  fields.each("stepScores",
              [&](const Napi::Value& score, const std::string& path) { plan.step_scores.push_back(step_function(score, path)); });
  if (fields.has("contrast")) plan.contrast = contrast(fields, plan);
  if (fields.has("dropout")) {
    const Fields dropout(fields.get("dropout"), fields.path("dropout"));
    plan.dropout = {dropout.number("rate", 0, 0.99), dropout.integer("passes", 2), static_cast<uint64_t>(dropout.integer("seed", 0))};
  }
  plan.logits = fields.has("logits") && fields.flag("logits");
  plan.memory_budget = fields.integer("memoryBudget", 1);
  plan.engine = one_of<Engine>(
      fields, "engine", {{"auto", Engine::automatic}, {"ragged", Engine::ragged}, {"batched", Engine::batched}, {"plain", Engine::plain}});
}

Baseline baseline(const Fields& plan, const char* key, const Plan& common) {
  using Kind = Baseline::Kind;
  const Fields fields(plan.get(key), plan.path(key));
  Baseline baseline{one_of<Kind>(fields, "kind", {{"zero", Kind::zero}, {"mean", Kind::mean}, {"ids", Kind::ids}}), {}};
  if (baseline.kind == Kind::ids) baseline.ids = fields.ids("ids");
  if (baseline.kind == Kind::ids && static_cast<int64_t>(baseline.ids.size()) < common.rows())
    wrong(fields.path("ids"), "one token id for each position");
  return baseline;
}

GradientPlan gradient(const Fields& fields) {
  GradientPlan plan;
  read_common(fields, plan);
  plan.rules = one_of<Rules>(fields, "rules", {{"gradient", Rules::gradient}, {"deeplift", Rules::deeplift}, {"attnlrp", Rules::attnlrp}});
  plan.layer = fields.integer("layer", 0);
  if (plan.rules == Rules::deeplift) plan.baseline = baseline(fields, "baseline", plan);
  plan.multiply_by_input = fields.flag("multiplyByInput");
  plan.reduce = reduction(fields);
  return plan;
}

PathPlan path(const Fields& fields) {
  PathPlan plan;
  read_common(fields, plan);
  plan.kind = one_of<PathKind>(fields, "path",
                               {{"straight", PathKind::straight},
                                {"sequential", PathKind::sequential},
                                {"discretized", PathKind::discretized},
                                {"random", PathKind::random}});
  plan.layer = fields.integer("layer", 0);
  plan.baseline = baseline(fields, "baseline", plan);
  plan.multiply_by_input = fields.flag("multiplyByInput");
  plan.reduce = reduction(fields);
  if (plan.kind == PathKind::random) {
    plan.coefficients = fields.numbers("coefficients");
    plan.noise = fields.number("noise", 0);
    plan.seed = static_cast<uint64_t>(fields.integer("seed", 0));
    return plan;
  }
  plan.steps = fields.integer("steps", 1, 100000);
  if (plan.kind == PathKind::discretized) {
    plan.strategy =
        one_of<AnchorStrategy>(fields, "strategy", {{"greedy", AnchorStrategy::greedy}, {"maxcount", AnchorStrategy::maxcount}});
    plan.neighbours = fields.integer("neighbours", 1);
    plan.special_tokens = fields.ids("specialTokens");
    return plan;
  }
  plan.rule = one_of<PathRule>(fields, "rule",
                               {{"gausslegendre", PathRule::gauss_legendre},
                                {"riemann_left", PathRule::left},
                                {"riemann_right", PathRule::right},
                                {"riemann_middle", PathRule::middle},
                                {"riemann_trapezoid", PathRule::trapezoid}});
  if (plan.kind == PathKind::straight && fields.has("tolerance")) plan.tolerance = fields.number("tolerance", 1e-9);
  if (plan.tolerance > 0 && !plan.multiply_by_input)
    throw Error("INPUT", "A tolerance is of the sum of gradient times input, so it needs multiplyByInput.");
  return plan;
}

void read_draws(const Fields& plan_fields, PerturbationPlan& plan) {
  const Fields fields(plan_fields.get("draws"), plan_fields.path("draws"));
  plan.draws = ReagentDraws{fields.numbers("importance"), fields.bytes("replaced"), fields.ids("tokens"), fields.ids("tests")};
  const auto of = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  const int64_t rows = plan.probes * plan.rows(), all = rows * plan.outputs();
  if (of(plan.draws->importance) != all || of(plan.draws->replaced) < rows * plan.most_steps ||
      of(plan.draws->tokens) < rows * plan.most_steps || of(plan.draws->tests) < all * plan.most_steps)
    wrong(plan_fields.path("draws"), "as many as the plan's steps, probes and outputs need");
}

void read_values(const Fields& fields, PerturbationPlan& plan) {
  plan.value_texts = fields.ids("texts");
  plan.value_outputs = fields.ids("outputs");
  const auto below = [](const std::vector<int64_t>& list, int64_t end) {
    return std::all_of(list.begin(), list.end(), [&](int64_t index) { return index < end; });
  };
  if (!below(plan.value_texts, static_cast<int64_t>(plan.masks.size()) / plan.rows())) wrong(fields.path("texts"), "indices of masks");
  if (plan.value_outputs.size() != plan.value_texts.size() || !below(plan.value_outputs, plan.outputs()))
    wrong(fields.path("outputs"), "an output for each of the texts");
}

PerturbationPlan perturbation(const Fields& fields) {
  PerturbationPlan plan;
  read_common(fields, plan);
  plan.kind = one_of<PerturbationKind>(fields, "perturbation",
                                       {{"none", PerturbationKind::none},
                                        {"occlusion", PerturbationKind::occlusion},
                                        {"lime", PerturbationKind::lime},
                                        {"reagent", PerturbationKind::reagent},
                                        {"masked", PerturbationKind::masked}});
  if (plan.kind == PerturbationKind::none) return plan;
  if (plan.kind == PerturbationKind::reagent) {
    plan.seed = static_cast<uint64_t>(fields.integer("seed", 0));
    plan.probes = fields.integer("probes", 1);
    plan.most_steps = fields.integer("mostSteps", 1);
    plan.stop_top_k = fields.integer("stopTopK", 1);
    plan.keep_top_n = fields.integer("keepTopN", 1);
    plan.replace_ratio = fields.number("replaceRatio", 0, 1);
    plan.candidates = fields.ids("candidates");
    if (fields.has("draws")) read_draws(fields, plan);
    return plan;
  }
  plan.baseline = baseline(fields, "baseline", plan);
  if (plan.kind == PerturbationKind::occlusion) {
    plan.absolute = fields.flag("absolute");
    plan.window = fields.integer("window", 1);
    return plan;
  }
  plan.masks = fields.bytes("masks");
  if (plan.masks.empty() || plan.rows() < 1 || static_cast<int64_t>(plan.masks.size()) % plan.rows() != 0)
    wrong(fields.path("masks"), "whole rows of one byte for each position but the last");
  if (plan.kind == PerturbationKind::masked) {
    read_values(fields, plan);
    return plan;
  }
  plan.ridge = fields.number("ridge", 0);
  plan.sum = fields.flag("sum");
  return plan;
}

InternalsPlan internals(const Fields& fields) {
  InternalsPlan plan;
  read_common(fields, plan);
  plan.kind = one_of<InternalsKind>(fields, "internals",
                                    {{"attention", InternalsKind::attention},
                                     {"rollout", InternalsKind::rollout},
                                     {"attention_gradient", InternalsKind::attention_gradient},
                                     {"value_zeroing", InternalsKind::value_zeroing}});
  plan.layers = fields.ids("layers");
  plan.heads = fields.ids("heads");
  plan.mean = fields.flag("mean");
  return plan;
}

}  // namespace

Randomisation randomisation_plan(const Napi::Value& value) {
  const Fields fields(value, "plan");
  return {static_cast<uint64_t>(fields.integer("seed", 0)), fields.integer("layers", 0), fields.flag("rest")};
}

std::vector<GradientPlan> gradient_plans(const Napi::Value& value) {
  return plans_of(value, [](const Napi::Value& each) {
    AttributionPlan plan = attribution_plan(each);
    if (!std::holds_alternative<GradientPlan>(plan)) wrong("plans", "of kind gradient");
    return std::move(std::get<GradientPlan>(plan));
  });
}

AttributionPlan attribution_plan(const Napi::Value& value) {
  const Fields fields(value, "plan");
  using Reader = AttributionPlan (*)(const Fields&);
  const Reader reader = one_of<Reader>(fields, "kind",
                                       {{"gradient", [](const Fields& f) -> AttributionPlan { return gradient(f); }},
                                        {"path", [](const Fields& f) -> AttributionPlan { return path(f); }},
                                        {"perturbation", [](const Fields& f) -> AttributionPlan { return perturbation(f); }},
                                        {"internals", [](const Fields& f) -> AttributionPlan { return internals(f); }}});
  AttributionPlan plan = reader(fields);
  // What indexes memory is checked here, not by whoever calls.
  std::visit(
      [](const auto& kind) {
        if (kind.prompt_length > static_cast<int64_t>(kind.ids.size())) wrong("plan.promptLength", "within the ids");
      },
      plan);
  return plan;
}

}  // namespace tokenlense
