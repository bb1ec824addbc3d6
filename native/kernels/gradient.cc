#include "gradient.h"

#include <algorithm>

#include "../error.h"
#include "head.h"
#include "products.h"
#include "scores.h"

// One forward pass over the whole sequence, then one vector-Jacobian product per output: with a causal mask the outputs do not see later
// tokens, so teacher forcing gives the same gradients as a pass per output. The mask serves texts of unlike lengths, too: each stands at
// the beginning of its sequence of the batch, and no row of it sees the empty ones behind it.

namespace tokenlense {
namespace {

class GradientRun {
 public:
  GradientRun(const Model& model, const std::vector<GradientPlan>& plans, TaskContext& context)
      : model_(model), plans_(plans), context_(context), results_(plans.size()) {
    for (const auto& plan : plans) {
      if (plan.rules != rules() || plan.layer != plans.front().layer || plan.engine != plans.front().engine)
        throw Error("INPUT", "Texts that are attributed together need the same rules, layer and engine.");
      length_ = std::max(length_, plan.rows());
    }
    heads_.reserve(plans.size());
    for (const auto& plan : plans) heads_.emplace_back(model, plan, context);
  }

  std::vector<AttributionResult> run() {
    const Plan& tightest =
        *std::min_element(plans_.begin(), plans_.end(), [](const Plan& a, const Plan& b) { return a.memory_budget < b.memory_budget; });
    const int64_t layer = plans_.front().layer;
    input_ = through_stages(model_, embedded(), 0, layer, context_);
    StagedForward forward(model_, input_, layer, tightest.memory_budget * 2 / 5, rules(), context_);
    const at::Tensor cotangents = pairs() ? multipliers(forward.hidden()) : derivatives(forward.hidden());

    std::vector<Target> targets;
    std::vector<Scores> scores;
    std::vector<at::Tensor> factors, sums;
    int64_t reserved = 0;
    for (size_t i = 0; i < plans_.size(); ++i) {
      const GradientPlan& plan = plans_[i];
      require_finite(values_[i], plan, "The attributed value");
      for (const Target& target : every_target(plan)) targets.push_back({static_cast<int64_t>(i), target.output, target.position});
      scores.emplace_back(plan, plan.reduce, input_);
      factors.push_back(plan.multiply_by_input ? factor(i) : at::Tensor());
      sums.push_back(at::zeros({plan.outputs()}, at::kDouble));
      reserved = std::max(reserved, heads_[i].bytes());
    }
    for (const auto& matrix : scores) reserved += matrix.bytes();
    Progress progress(context_, work_of(targets, forward.count()));
    const auto report =
        products(model_, forward, targets, cotangents, {tightest, reserved}, progress, [&](const Target& target, const at::Tensor& rows) {
          const at::Tensor& factor = factors[target.sequence];
          const at::Tensor value = factor.defined() ? rows * factor.narrow(0, target.floor, target.rows()) : rows;
          if (rules() != Rules::gradient) sums[target.sequence][target.output] = value.sum(at::kDouble).cpu();
          scores[target.sequence].put(target.output, target.floor, value);
        });
    for (size_t i = 0; i < plans_.size(); ++i) {
      AttributionResult& result = results_[i];
      result.scores = scores[i].finish("The attribution");
      if (rules() != Rules::gradient) result.deltas = (sums[i] - changes(i).cpu()).to(at::kFloat);
      result.engine = report.engine;
      result.planned_bytes = report.planned_bytes;
      result.block = report.block;
    }
    return std::move(results_);
  }

 private:
  Rules rules() const { return plans_.front().rules; }
  bool pairs() const { return rules() == Rules::deeplift; }
  int64_t count() const { return static_cast<int64_t>(plans_.size()); }

  // All texts, and of pairs then all baselines.
  at::Tensor embedded() const {
    std::vector<at::Tensor> rows;
    const auto add = [&](const at::Tensor& x) { rows.push_back(at::constant_pad_nd(x, {0, 0, 0, length_ - x.size(1)})); };
    for (const auto& plan : plans_) add(embed(model_, plan.ids).narrow(1, 0, plan.rows()));
    if (pairs())
      for (const auto& plan : plans_) add(embed_baseline(model_, *plan.baseline, plan.rows()));
    return at::cat(rows);
  }

  // Of a text in hidden [batch, length, width].
  at::Tensor rows_before_outputs(const at::Tensor& hidden, int64_t sequence) const {
    return heads_[sequence % count()].rows_before_outputs(hidden.narrow(0, sequence, 1));
  }

  at::Tensor derivatives(const at::Tensor& hidden) {
    std::vector<at::Tensor> rows;
    std::vector<Head::Text> texts;
    std::vector<int64_t> outputs;
    for (int64_t i = 0; i < count(); ++i) {
      rows.push_back(rows_before_outputs(hidden, i));
      texts.push_back({&heads_[i], every_output(plans_[i]), &results_[i]});
      outputs.push_back(plans_[i].outputs());
    }
    const auto found = Head::cotangents(texts, at::cat(rows), rules());
    values_ = found.values.split_with_sizes(outputs);
    return found.cotangents;
  }

  at::Tensor multipliers(const at::Tensor& hidden) {
    std::vector<at::Tensor> cotangents;
    for (int64_t i = 0; i < count(); ++i) {
      const at::Tensor own = rows_before_outputs(hidden, i);
      const auto found = heads_[i].multipliers(own, rows_before_outputs(hidden, count() + i), every_output(plans_[i]));
      values_.push_back(found.values);
      baseline_values_.push_back(found.baseline_values);
      cotangents.push_back(found.cotangents);
      heads_[i].score(own, results_[i]);  // the pairs' logits may round otherwise than the text's own
    }
    return at::cat(cotangents);
  }

  at::Tensor factor(size_t i) const { return pairs() ? input_[i] - input_[count() + i] : input_[i]; }
  // What the sums of a text's scores should be.
  at::Tensor changes(size_t i) const { return pairs() ? values_[i] - baseline_values_[i] : values_[i]; }

  const Model& model_;
  const std::vector<GradientPlan>& plans_;
  TaskContext& context_;
  std::vector<Head> heads_;
  int64_t length_ = 0;
  at::Tensor input_;                                  // [texts, length, width], of pairs twice as many
  std::vector<at::Tensor> values_, baseline_values_;  // [outputs] each
  std::vector<AttributionResult> results_;
};

}  // namespace

std::vector<AttributionResult> attribute_gradients(const Model& model, const std::vector<GradientPlan>& plans, TaskContext& context) {
  return GradientRun(model, plans, context).run();
}

}  // namespace tokenlense
