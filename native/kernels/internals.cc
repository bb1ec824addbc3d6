#include "internals.h"

#include "../autograd/attention.h"
#include "../error.h"
#include "head.h"
#include "products.h"

namespace tokenlense {
namespace {

constexpr double kSmallestDistance = 1e-5;  // of value zeroing: below it lies rounding

class InternalsRun {
 public:
  InternalsRun(const Model& model, const InternalsPlan& plan, TaskContext& context)
      : model_(model), plan_(plan), context_(context), head_(model, plan, context) {
    const int64_t layers = model.integer("layers");
    layers_ = plan.layers;
    if (layers_.empty())
      for (int64_t i = 0; i < layers; ++i) layers_.push_back(i);
    for (const int64_t layer : layers_)
      if (layer >= layers)
        throw Error("INPUT", "There is no layer " + std::to_string(layer) + "; the model has " + std::to_string(layers) + ", from 0 on.");
    const int64_t heads = model.integer("heads");
    for (const int64_t head : plan.heads)
      if (head >= heads)
        throw Error("INPUT", "There is no head " + std::to_string(head) + "; a layer has " + std::to_string(heads) + ", from 0 on.");
  }

  AttributionResult run() {
    if (plan_.kind == InternalsKind::attention_gradient)
      attention_gradient();
    else
      forward_only();
    return std::move(result_);
  }

 private:
  bool wanted(int64_t layer) const { return std::find(layers_.begin(), layers_.end(), layer) != layers_.end(); }

  void forward_only() {
    at::Tensor x = embed(model_, plan_.ids).narrow(1, 0, plan_.rows());
    const int64_t count = model_.integer("layers");
    Progress progress(context_, count);
    std::map<int64_t, at::Tensor> found;  // by layer
    at::Tensor rolled;
    for (int64_t i = 0; i < count; ++i) {
      AttentionWatch watch;
      const at::Tensor next = through_stage(model_, i, x);
      const at::Tensor seen = watch.take();
      // [heads, queries, keys]; asked for where the layer's attention is no operator of ours.
      const auto heads = [&] {
        return chosen_heads((seen.defined() ? seen : model_.call_layer("attention", i, {x}))[0]).to(model_.device);
      };
      if (plan_.kind == InternalsKind::rollout) {
        at::Tensor mixing = heads().mean(0).mul_(0.5);
        mixing.diagonal().add_(0.5);
        rolled = rolled.defined() ? at::mm(mixing, rolled) : mixing;
      } else if (wanted(i)) {
        found[i] = plan_.kind == InternalsKind::attention ? outputs_queries(heads()) : value_zeroing(i, x, next).to(model_.device);
      }
      x = next;
      progress.advance(1);
    }
    head_.score(head_.rows_before_outputs(x), result_);
    if (plan_.kind == InternalsKind::rollout)
      result_.scores = before_outputs(rolled.narrow(0, plan_.prompt_length - 1, plan_.outputs()).t());
    else
      finish(found);
  }

  at::Tensor chosen_heads(const at::Tensor& heads) const {  // along dimension 0
    return plan_.heads.empty() ? heads : heads.index_select(0, at::tensor(plan_.heads, at::kLong).to(heads.device()));
  }

  // Of the queries that the outputs come from: [rows, outputs, heads].
  at::Tensor outputs_queries(const at::Tensor& heads) const {
    return heads.narrow(1, plan_.prompt_length - 1, plan_.outputs()).permute({2, 1, 0}).contiguous();
  }

  // [rows, outputs, 1]: 1 − cosine of the layer's output with and without a position's values, a share of the row's sum.
  at::Tensor value_zeroing(int64_t layer, const at::Tensor& x, const at::Tensor& next) const {
    const int64_t first = plan_.prompt_length - 1, rows = plan_.rows(), outputs = plan_.outputs(), width = x.size(2);
    const bool last = layer == model_.integer("layers") - 1;
    auto state = [&](const at::Tensor& y) { return last && model_.has("final") ? model_.call("final", {y}) : y; };
    const at::Tensor clean = state(next.narrow(1, first, outputs));
    at::Tensor zeroed = at::zeros({model_.integer("heads")}, x.options());
    if (plan_.heads.empty()) zeroed.fill_(1);
    for (const int64_t head : plan_.heads) zeroed[head] = 1;
    // The widest intermediate of a layer is about eight widths.
    const int64_t chunk = std::clamp<int64_t>(plan_.memory_budget / 4 / (outputs * width * 32), 1, std::max<int64_t>(1, 768 / outputs));
    at::Tensor distances = at::zeros({rows, outputs}, x.options());
    for (int64_t from = 0; from < rows; from += chunk) {
      context_.check();
      const int64_t count = std::min(chunk, rows - from);
      const at::Tensor positions = at::arange(from, from + count, at::kLong);
      const at::Tensor turned = state(model_.call_layer("layer_zeroed", layer, {x, positions, zeroed, first}));
      // In float64: the cosine of two nearly equal rows is one but for the last digits.
      const at::Tensor cosine = at::cosine_similarity(clean.to(at::kDouble), turned.to(at::kDouble), -1, 1e-8);
      distances.narrow(0, from, count).copy_(1 - cosine);
    }
    distances = before_outputs(distances.masked_fill(distances < kSmallestDistance, 0)).narrow(0, 0, rows);
    const at::Tensor sums = distances.sum(0, true);
    return (distances / sums.masked_fill(sums == 0, 1)).unsqueeze(-1);
  }

  // values [rows, outputs]: zero where the position does not come before the output; and the last position's row.
  at::Tensor before_outputs(const at::Tensor& values) const {
    at::Tensor scores = at::zeros({static_cast<int64_t>(plan_.ids.size()), plan_.outputs()}, values.options());
    scores.narrow(0, 0, values.size(0)).copy_(values);
    for (int64_t t = 0; t < plan_.outputs(); ++t) scores.select(1, t).narrow(0, plan_.high(t), scores.size(0) - plan_.high(t)).zero_();
    return scores;
  }

  // Per layer [rows, outputs, heads] → [sequence, outputs, layers, heads], or what is left of it.
  void finish(const std::map<int64_t, at::Tensor>& found) {
    std::vector<at::Tensor> layers;
    for (const int64_t layer : layers_) layers.push_back(found.at(layer));
    at::Tensor stacked = at::stack(layers, 2);
    at::Tensor scores =
        at::zeros({static_cast<int64_t>(plan_.ids.size()), plan_.outputs(), stacked.size(2), stacked.size(3)}, stacked.options());
    scores.narrow(0, 0, stacked.size(0)).copy_(stacked);
    if (plan_.kind == InternalsKind::value_zeroing) scores = scores.squeeze(3);
    result_.scores = plan_.mean ? scores.flatten(2).mean(2) : scores;
  }

  void attention_gradient() {
    const at::Tensor input = embed(model_, plan_.ids).narrow(1, 0, plan_.rows());
    StagedForward forward(model_, input, 0, plan_.memory_budget * 2 / 5, Rules::gradient, context_);
    const at::Tensor hidden = head_.rows_before_outputs(forward.hidden());
    const auto found = head_.cotangents(hidden, every_output(plan_), Rules::gradient, &result_);
    require_finite(found.values, plan_, "The attributed value");
    const int64_t heads = model_.integer("heads"), layers = model_.integer("layers");
    std::map<int64_t, at::Tensor> by_layer;
    for (const int64_t layer : layers_) by_layer[layer] = at::zeros({plan_.rows(), plan_.outputs(), heads}, input.options());
    const auto targets = every_target(plan_);
    Progress progress(context_, work_of(targets, layers));
    const ProductsBudget budget{plan_, head_.bytes() + plan_.rows() * plan_.outputs() * heads * layers * 4};
    const auto report = products(
        model_, forward, targets, found.cotangents, budget, progress, [](const Target&, const at::Tensor&) {},
        [&](int64_t stage, RaggedNode& node, const Cotangent& g) {
          auto* attention = dynamic_cast<AttentionNode*>(&node);
          if (!attention || !wanted(stage)) return;
          const at::Tensor products = attention->attention_times_gradient(g);
          for (size_t s = 0; s < g.layout->segments.size(); ++s)
            by_layer.at(stage).select(1, g.layout->segments[s].output).copy_(products[static_cast<int64_t>(s)].t());
        });
    for (auto& [layer, values] : by_layer) values = chosen_heads(values.permute({2, 0, 1})).permute({1, 2, 0}).contiguous();
    finish(by_layer);
    result_.engine = report.engine;
    result_.planned_bytes = report.planned_bytes;
    result_.block = report.block;
  }

  const Model& model_;
  const InternalsPlan& plan_;
  TaskContext& context_;
  Head head_;
  std::vector<int64_t> layers_;
  AttributionResult result_;
};

}  // namespace

AttributionResult attribute_internals(const Model& model, const InternalsPlan& plan, TaskContext& context) {
  return InternalsRun(model, plan, context).run();
}

}  // namespace tokenlense
