#include "head.h"

#include "../error.h"
#include "quadrature.h"

namespace tokenlense {

Head::Head(const Model& model, const Plan& plan, TaskContext& context)
    : model_(model), plan_(plan), context_(context), row_bytes_(5 * static_cast<int64_t>(sizeof(float)) * model.vocabulary()) {
  chunk_ = std::clamp<int64_t>(plan.memory_budget / 8 / row_bytes_, 1, 64);
}

template <class Body>
void Head::each_chunk(int64_t rows, const Body& body) const {
  for (int64_t from = 0; from < rows; from += chunk_) {
    context_.check();
    body(from, std::min(chunk_, rows - from));
  }
}

at::Tensor Head::targets(const std::vector<int64_t>& outputs, int64_t from, int64_t count) const {
  std::vector<int64_t> ids(count);
  for (int64_t i = 0; i < count; ++i) ids[i] = plan_.ids[plan_.prompt_length + outputs[from + i]];
  return at::tensor(ids, at::kLong).to(model_.device);
}

void Head::require_gradient(const at::Tensor& value) const {
  if (value.requires_grad()) return;
  throw Error("INPUT", "The step function \"" + plan_.step->name() + "\" does not depend on the logits, so it has no gradient.",
              "Attribute a differentiable one, or use a perturbation method such as occlusion.");
}

at::Tensor Head::values(const at::Tensor& hidden, const std::vector<int64_t>& outputs) const {
  std::vector<at::Tensor> parts;
  each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    parts.push_back((*plan_.step)(model_.logits(hidden.narrow(0, from, count)), targets(outputs, from, count)).to(at::kFloat));
  });
  return at::cat(parts);
}

Head::Cotangents Head::cotangents(const at::Tensor& hidden, const std::vector<int64_t>& outputs, Rules rules) const {
  std::vector<at::Tensor> values, cotangents;
  each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    at::AutoGradMode recording(true);
    RulesGuard guard(rules);
    at::Tensor leaf = hidden.narrow(0, from, count).detach().contiguous().requires_grad_();
    const at::Tensor value = (*plan_.step)(model_.logits(leaf), targets(outputs, from, count));
    require_gradient(value);
    cotangents.push_back(torch::autograd::grad({value.sum()}, {leaf})[0]);
    values.push_back(value.detach());
  });
  return {at::cat(values), at::cat(cotangents)};
}

Head::Multipliers Head::multipliers(const at::Tensor& hidden, const at::Tensor& baseline, const std::vector<int64_t>& outputs) const {
  std::vector<at::Tensor> values, baselines, cotangents;
  each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    at::AutoGradMode recording(true);
    RulesGuard guard(Rules::deeplift);
    at::Tensor leaf = at::stack({hidden.narrow(0, from, count), baseline.narrow(0, from, count)}).detach().requires_grad_();
    const at::Tensor logits = model_.logits(leaf), wanted = targets(outputs, from, count);
    const LineIntegral mean = mean_gradient(*plan_.step, logits.detach()[0], logits.detach()[1], wanted);
    const at::Tensor upper = at::stack({mean.gradient, at::zeros_like(mean.gradient)});
    cotangents.push_back(torch::autograd::grad({logits}, {leaf}, {upper})[0][0]);
    values.push_back(mean.end);
    baselines.push_back(mean.start);
  });
  return {at::cat(values), at::cat(baselines), at::cat(cotangents)};
}

std::map<std::string, at::Tensor> Head::step_scores(const at::Tensor& hidden) const {
  std::map<std::string, std::vector<at::Tensor>> parts;
  const auto outputs = every_output(plan_);
  if (!plan_.step_scores.empty())
    each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
      const at::Tensor logits = model_.logits(hidden.narrow(0, from, count)), wanted = targets(outputs, from, count);
      for (const auto& score : plan_.step_scores) parts[score.name()].push_back(score(logits, wanted).to(at::kFloat).cpu());
    });
  std::map<std::string, at::Tensor> scores;
  for (const auto& [name, values] : parts) scores[name] = at::cat(values);
  return scores;
}

at::Tensor Head::rows_before_outputs(const at::Tensor& hidden) const {
  return hidden[0].narrow(0, plan_.prompt_length - 1, plan_.outputs());
}

std::vector<int64_t> every_output(const Plan& plan) {
  std::vector<int64_t> outputs(plan.outputs());
  for (int64_t t = 0; t < plan.outputs(); ++t) outputs[t] = t;
  return outputs;
}

}  // namespace tokenlense
