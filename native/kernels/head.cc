#include "head.h"

#include <ATen/CPUGeneratorImpl.h>

#include "../error.h"
#include "forward.h"
#include "quadrature.h"

namespace tokenlense {
namespace {

// A chunk's rows, which begin with output `next` of texts[text].
std::vector<at::Tensor> by_text(const at::Tensor& rows, const std::vector<Head::Text>& texts, size_t text, int64_t next) {
  std::vector<int64_t> counts;
  for (int64_t left = rows.size(0); left > 0; left -= counts.back(), next = 0)
    counts.push_back(std::min(left, static_cast<int64_t>(texts[text++].outputs.size()) - next));
  return counts.size() == 1 ? std::vector<at::Tensor>{rows} : rows.split_with_sizes(counts);
}

}  // namespace

Head::Head(const Model& model, const Plan& plan, TaskContext& context)
    : model_(model), plan_(plan), context_(context), row_bytes_(5 * static_cast<int64_t>(sizeof(float)) * model.vocabulary()) {
  chunk_ = std::clamp<int64_t>(plan.memory_budget / 8 / row_bytes_, 1, 64);
  if (any_step([](const StepFunction& step) { return step.contrastive(); })) read_contrast();
  if (any_step([](const StepFunction& step) { return step.asks_for("noisy"); })) read_noise();
}

bool Head::any_step(bool (*asks)(const StepFunction&)) const {
  return asks(*plan_.step) || std::any_of(plan_.step_scores.begin(), plan_.step_scores.end(), asks);
}

void Head::read_contrast() {
  if (!plan_.contrast) throw Error("INPUT", "This step function sets the outputs against another text: a contrast is needed.");
  const auto& contrast = *plan_.contrast;
  const at::Tensor hidden = hidden_states(model_, contrast.ids, context_);
  std::vector<int64_t> rows;
  for (const int64_t position : contrast.positions) rows.push_back(position - 1);
  contrast_hidden_ = hidden.index_select(0, at::tensor(rows, at::kLong).to(model_.device));
}

// Dropout falls on what each layer adds to the residual stream.
void Head::read_noise() {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(plan_.dropout.seed);
  auto dropped = [&](const at::Tensor& update) {
    const at::Tensor kept = (at::rand(update.sizes(), generator, at::kFloat) >= plan_.dropout.rate).to(update.options());
    return update * kept / (1 - plan_.dropout.rate);
  };
  const at::Tensor clean = embed(model_, plan_.ids).narrow(1, 0, plan_.rows());
  std::vector<at::Tensor> passes;
  for (int64_t pass = 0; pass < plan_.dropout.passes; ++pass) {
    at::Tensor x = model_.layered() ? clean : dropped(clean);
    for (int64_t i = 0; i < stage_count(model_); ++i) {
      context_.check();
      const at::Tensor next = through_stage(model_, i, x).to(x.device());
      // A first layer that widens the embeddings adds nothing to them.
      x = model_.layered() && next.size(2) == x.size(2) ? x + dropped(next - x) : next;
    }
    const at::Tensor hidden = rows_before_outputs(x);
    std::vector<at::Tensor> parts;
    each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
      std::vector<int64_t> ids(plan_.ids.begin() + plan_.prompt_length + from, plan_.ids.begin() + plan_.prompt_length + from + count);
      const at::Tensor probabilities = at::softmax(model_.logits(hidden.narrow(0, from, count)), -1);
      parts.push_back(probabilities.gather(1, at::tensor(ids, at::kLong).to(model_.device).unsqueeze(1)));
    });
    passes.push_back(at::cat(parts));
  }
  noisy_ = at::cat(passes, 1);
}

template <class Body>
void Head::each_chunk(int64_t rows, const Body& body) const {
  for (int64_t from = 0; from < rows; from += chunk_) {
    context_.check();
    body(from, std::min(chunk_, rows - from));
  }
}

StepInputs Head::inputs(const StepFunction& step, const at::Tensor& logits, const std::vector<int64_t>& outputs, int64_t from,
                        int64_t count, bool attributed) const {
  auto gather = [&](const auto& pick) {
    std::vector<int64_t> ids(count);
    for (int64_t i = 0; i < count; ++i) ids[i] = pick(outputs[from + i]);
    return at::tensor(ids, at::kLong).to(model_.device);
  };
  StepInputs inputs{logits, gather([&](int64_t t) { return plan_.ids[plan_.prompt_length + t]; }), {}, {}, {}};
  if (step.contrastive()) {
    const auto& contrast = *plan_.contrast;
    inputs.contrast_targets = gather([&](int64_t t) { return contrast.ids[contrast.positions[t]]; });
    if (attributed && !contrast.own_prefix) {
      inputs.contrast_logits = logits;
    } else {
      at::NoGradGuard constant;  // another text: the input's gradient does not pass through it
      inputs.contrast_logits =
          model_.logits(contrast_hidden_.index_select(0, gather([](int64_t t) { return t; }))).to(logits.scalar_type());
    }
  }
  if (step.asks_for("noisy")) inputs.noisy = noisy_.index_select(0, gather([](int64_t t) { return t; })).to(logits.scalar_type());
  return inputs;
}

void Head::require_gradient(const at::Tensor& value) const {
  if (value.requires_grad()) return;
  throw Error("INPUT", "The step function \"" + plan_.step->name() + "\" does not depend on the logits, so it has no gradient.",
              "Attribute a differentiable one, or use a perturbation method such as occlusion.");
}

at::Tensor Head::values(const at::Tensor& hidden, const std::vector<int64_t>& outputs, AttributionResult* scored) const {
  std::vector<at::Tensor> parts;
  Scored chunks;
  each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    const at::Tensor logits = model_.logits(hidden.narrow(0, from, count));
    parts.push_back((*plan_.step)(inputs(*plan_.step, logits, outputs, from, count, true)).to(at::kFloat));
    if (scored) score_chunk(logits, outputs, from, count, chunks);
  });
  if (scored) chunks.finish(*scored);
  return at::cat(parts);
}

Head::Cotangents Head::cotangents(const at::Tensor& hidden, const std::vector<int64_t>& outputs, Rules rules,
                                  AttributionResult* scored) const {
  return cotangents({{this, outputs, scored}}, hidden, rules);
}

Head::Cotangents Head::cotangents(const std::vector<Text>& texts, const at::Tensor& hidden, Rules rules) {
  const auto smaller_chunk = [](const Text& a, const Text& b) { return a.head->chunk_ < b.head->chunk_; };
  const Head& least = *std::min_element(texts.begin(), texts.end(), smaller_chunk)->head;
  std::vector<at::Tensor> values, cotangents;
  std::vector<Scored> scored(texts.size());
  size_t text = 0;
  int64_t next = 0;  // of the text's outputs
  least.each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    at::AutoGradMode recording(true);
    RulesGuard guard(rules);
    at::Tensor leaf = hidden.narrow(0, from, count).detach().contiguous().requires_grad_();
    const at::Tensor logits = least.model_.logits(leaf);
    std::vector<at::Tensor> sums;
    for (const at::Tensor& part : by_text(logits, texts, text, next)) {
      const auto& [head, outputs, result] = texts[text];
      const at::Tensor value = (*head->plan_.step)(head->inputs(*head->plan_.step, part, outputs, next, part.size(0), true));
      head->require_gradient(value);
      sums.push_back(value.sum());
      values.push_back(value.detach());
      if (result) head->score_chunk(part.detach(), outputs, next, part.size(0), scored[text]);
      next += part.size(0);
      if (next == static_cast<int64_t>(outputs.size())) ++text, next = 0;
    }
    cotangents.push_back(torch::autograd::grad(sums, {leaf})[0]);
  });
  for (size_t i = 0; i < texts.size(); ++i)
    if (texts[i].scored) scored[i].finish(*texts[i].scored);
  return {at::cat(values), at::cat(cotangents)};
}

Head::Multipliers Head::multipliers(const at::Tensor& hidden, const at::Tensor& baseline, const std::vector<int64_t>& outputs) const {
  std::vector<at::Tensor> values, baselines, cotangents;
  each_chunk(hidden.size(0), [&](int64_t from, int64_t count) {
    at::AutoGradMode recording(true);
    RulesGuard guard(Rules::deeplift);
    at::Tensor leaf = at::stack({hidden.narrow(0, from, count), baseline.narrow(0, from, count)}).detach().requires_grad_();
    const at::Tensor logits = model_.logits(leaf);
    auto inputs_at = [&](const at::Tensor& point, const std::vector<int64_t>& rows) {
      std::vector<int64_t> chosen;
      for (const int64_t row : rows) chosen.push_back(outputs[from + row]);
      return inputs(*plan_.step, point, chosen, 0, static_cast<int64_t>(chosen.size()), true);
    };
    const LineIntegral mean = mean_gradient(*plan_.step, logits.detach()[0], logits.detach()[1], inputs_at);
    const at::Tensor upper = at::stack({mean.gradient, at::zeros_like(mean.gradient)});
    cotangents.push_back(torch::autograd::grad({logits}, {leaf}, {upper})[0][0]);
    values.push_back(mean.end);
    baselines.push_back(mean.start);
  });
  return {at::cat(values), at::cat(baselines), at::cat(cotangents)};
}

void Head::score(const at::Tensor& hidden, AttributionResult& result) const {
  if (plan_.step_scores.empty() && !plan_.logits) return;
  Scored chunks;
  const auto outputs = every_output(plan_);
  each_chunk(hidden.size(0),
             [&](int64_t from, int64_t count) { score_chunk(model_.logits(hidden.narrow(0, from, count)), outputs, from, count, chunks); });
  chunks.finish(result);
}

void Head::score_chunk(const at::Tensor& logits, const std::vector<int64_t>& outputs, int64_t from, int64_t count, Scored& scored) const {
  at::NoGradGuard constant;
  for (const auto& score : plan_.step_scores)
    scored.steps[score.name()].push_back(score(inputs(score, logits, outputs, from, count, false)).to(at::kFloat).cpu());
  if (plan_.logits) scored.logits.push_back(logits.to(at::kFloat).cpu());
}

void Head::Scored::finish(AttributionResult& result) const {
  for (const auto& [name, values] : steps) result.step_scores[name] = at::cat(values);
  if (!logits.empty()) result.logits = at::cat(logits);
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
