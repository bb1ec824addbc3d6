#include <ATen/CPUGeneratorImpl.h>

#include "perturbed.h"

// ReAGent (Zhao & Shan 2024): a token is important where replacing it lowers the target's probability. Each probe adds up the changes of
// random replacements until the tokens found important are enough to predict the target; its scores are then as they were.
//
// One sequence with random replacements serves every output; the stopping test is of each output's own. Replacements are drawn uniformly:
// Inseq draws words of the same part of speech, from an English tagger that must be downloaded.

namespace tokenlense {
namespace {

class Reagent {
 public:
  Reagent(const Model& model, const PerturbationPlan& plan, TaskContext& context)
      : model_(model),
        plan_(plan),
        context_(context),
        perturbed_(model, plan, context),
        generator_(at::make_generator<at::CPUGeneratorImpl>(plan.seed)),
        stopped_(at::zeros({plan.probes, plan.outputs()}, at::kBool)) {
    const std::vector<int64_t> sizes = {plan.probes, plan.outputs(), plan.rows()};
    importance_ = plan.draws ? at::tensor(plan.draws->importance, at::kFloat).view(sizes) : at::rand(sizes, generator_);
  }

  AttributionResult run() {
    Progress progress(context_, plan_.most_steps);
    for (int64_t step = 0; step < plan_.most_steps && !stopped_.all().item<bool>(); ++step) {
      probe(step);
      test(step);
      progress.advance(1);
    }
    AttributionResult result = perturbed_.finish();
    result.scores = at::zeros({static_cast<int64_t>(plan_.ids.size()), plan_.outputs()}, at::kFloat);
    for (int64_t t = 0; t < plan_.outputs(); ++t) {
      const int64_t length = plan_.high(t);
      const at::Tensor scores = at::softmax(importance_.select(1, t).narrow(1, 0, length), -1);  // [probes, length]
      // Probes that ran out of steps are left out, unless all did.
      at::Tensor counted = stopped_.select(1, t).to(at::kFloat);
      if (counted.sum().item<float>() == 0) counted.fill_(1);
      result.scores.select(1, t).narrow(0, 0, length).copy_((scores * counted.unsqueeze(1)).sum(0) / counted.sum());
    }
    require_finite(result.scores.sum(0), plan_, "The attribution");
    return result;
  }

 private:
  // Tokens to replace by, [probes, …]; of the step's share where they were drawn elsewhere.
  at::Tensor draw(at::IntArrayRef sizes, int64_t step, const std::vector<int64_t>* elsewhere) {
    if (elsewhere) return of_step(at::tensor(*elsewhere, at::kLong), step, sizes);
    if (plan_.candidates.empty()) return at::randint(model_.vocabulary(), sizes, generator_, at::kLong);
    const at::Tensor choice = at::randint(static_cast<int64_t>(plan_.candidates.size()), sizes, generator_, at::kLong);
    return at::tensor(plan_.candidates, at::kLong).index_select(0, choice.flatten()).view(sizes);
  }

  static at::Tensor of_step(const at::Tensor& draws, int64_t step, at::IntArrayRef sizes) {
    const int64_t count = c10::multiply_integers(sizes);
    return draws.narrow(0, step * count, count).view(sizes);
  }

  at::Tensor ids() const { return at::tensor(at::ArrayRef<int64_t>(plan_.ids.data(), plan_.rows()), at::kLong); }
  at::Tensor embedded(const at::Tensor& tokens) const { return model_.call("embed", {tokens}); }

  // One random replacement for each probe, and what it tells about every position.
  void probe(int64_t step) {
    const int64_t rows = plan_.rows();
    const at::Tensor replaced = plan_.draws
                                    ? of_step(at::tensor(plan_.draws->replaced, at::kByte), step, {plan_.probes, rows}).to(at::kBool)
                                    : at::rand({plan_.probes, rows}, generator_) < plan_.replace_ratio;
    const at::Tensor tokens = at::where(replaced, draw({plan_.probes, rows}, step, plan_.draws ? &plan_.draws->tokens : nullptr), ids());
    const at::Tensor values =
        perturbed_.every_value(plan_.probes, [&](int64_t from, int64_t count) { return embedded(tokens.narrow(0, from, count)); });
    const at::Tensor drop = perturbed_.clean_values().cpu() - values;     // [probes, outputs]
    const at::Tensor sign = at::where(replaced, 1.f, -1.f).unsqueeze(1);  // [probes, 1, rows]
    const at::Tensor change = at::logit(drop.unsqueeze(-1) * sign * 0.5 + 0.5);
    importance_ = at::where(stopped_.unsqueeze(-1), importance_, importance_ + change);
  }

  // A probe stops where the target is among the likeliest tokens with all but the most important ones replaced.
  void test(int64_t step) {
    const at::Tensor tokens = draw({plan_.probes, plan_.outputs(), plan_.rows()}, step, plan_.draws ? &plan_.draws->tests : nullptr);
    const at::Tensor running = (~stopped_).t().nonzero();  // [n, (output, probe)]: prefixes of about one length together
    const auto pair = running.accessor<int64_t, 2>();
    for (int64_t from = 0, count; from < running.size(0); from += count) {
      count = std::min(perturbed_.together(0), running.size(0) - from);
      at::Tensor sequences = ids().narrow(0, 0, plan_.high(pair[from + count - 1][0])).repeat({count, 1});
      std::vector<Perturbed::Row> wanted;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t t = pair[from + i][0], probe = pair[from + i][1], length = plan_.high(t);
        const at::Tensor top =
            importance_[probe][t].narrow(0, 0, length).argsort(-1, true).narrow(0, 0, std::min(plan_.keep_top_n, length));
        at::Tensor prefix = sequences[i].narrow(0, 0, length);
        const at::Tensor before = prefix.index_select(0, top);
        prefix.copy_(tokens[probe][t].narrow(0, 0, length));
        prefix.index_copy_(0, top, before);
        wanted.push_back({i, t});
      }
      const at::Tensor logits = model_.logits(perturbed_.hidden(embedded(sequences), 0, wanted));
      const at::Tensor likeliest = std::get<1>(logits.topk(std::min(plan_.stop_top_k, logits.size(1)))).cpu();
      for (int64_t i = 0; i < count; ++i) {
        const int64_t t = pair[from + i][0], probe = pair[from + i][1];
        if ((likeliest[i] == plan_.ids[plan_.high(t)]).any().item<bool>()) stopped_[probe][t] = true;
      }
    }
  }

  const Model& model_;
  const PerturbationPlan& plan_;
  TaskContext& context_;
  Perturbed perturbed_;
  at::Generator generator_;
  at::Tensor stopped_;     // [probes, outputs]
  at::Tensor importance_;  // [probes, outputs, rows], before the softmax
};

}  // namespace

AttributionResult reagent(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  return Reagent(model, plan, context).run();
}

}  // namespace tokenlense
