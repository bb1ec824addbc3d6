#include "forward.h"

#include "../error.h"

namespace tokenlense {
namespace {

at::Tensor embed_rows(const Model& model, at::ArrayRef<int64_t> ids) {
  return model.call("embed", {at::tensor(ids, at::kLong).unsqueeze(0)});
}

at::Tensor mean_embedding(const Model& model) {
  const int64_t vocabulary = model.vocabulary(), chunk = 4096;
  at::Tensor sum;
  for (int64_t from = 0; from < vocabulary; from += chunk) {
    const at::Tensor ids = at::arange(from, std::min(from + chunk, vocabulary), at::kLong).unsqueeze(0);
    const at::Tensor part = model.call("embed", {ids}).to(at::kDouble).sum(1);
    sum = sum.defined() ? sum.add_(part) : part;
  }
  return sum.div_(vocabulary).to(at::kFloat);
}

}  // namespace

at::Tensor embed(const Model& model, const std::vector<int64_t>& ids) { return embed_rows(model, ids); }

at::Tensor embed_baseline(const Model& model, const Baseline& baseline, int64_t length) {
  if (baseline.kind == Baseline::Kind::ids) return embed_rows(model, at::ArrayRef<int64_t>(baseline.ids.data(), length));
  const at::Tensor row =
      baseline.kind == Baseline::Kind::mean ? mean_embedding(model).unsqueeze(1) : at::zeros_like(embed_rows(model, {0}));
  return row.expand({1, length, row.size(2)}).contiguous();
}

int64_t stage_count(const Model& model) { return model.layered() ? model.integer("layers") : 1; }
at::Device stage_device(const Model& model, int64_t stage) { return model.layered() ? model.device_of(stage) : model.device; }

at::Tensor through_stage(const Model& model, int64_t stage, const at::Tensor& x) {
  if (model.layered()) return model.call_layer("layer", stage, {x});
  return model.call("hidden", {x, at::ones({x.size(0), x.size(1)}, x.options().dtype(at::kLong))});
}

at::Tensor through_stages(const Model& model, at::Tensor x, int64_t from, int64_t to, TaskContext& context) {
  for (int64_t i = from; i < to; ++i) {
    context.check();
    x = through_stage(model, i, x);
  }
  return x.to(model.device);
}

at::Tensor hidden_states(const Model& model, const std::vector<int64_t>& ids, TaskContext& context) {
  const at::Tensor input = embed(model, ids);
  const auto hidden = [&](const at::Tensor& x) { return through_stages(model, x, 0, stage_count(model), context)[0]; };
  const int64_t length = input.size(1), after = model.long_after();
  if (after == 0 || length <= after) return hidden(input);
  return at::cat({hidden(input.narrow(1, 0, after)), hidden(input).narrow(0, after, length - after)});
}

StagedForward::StagedForward(const Model& model, at::Tensor inputs, int64_t first, int64_t graph_budget, Rules rules, TaskContext& context)
    : model_(model), first_(first), rules_(rules) {
  if (rules == Rules::deeplift && model.module.hasattr("experts_used"))
    throw Error("CAPABILITY", "DeepLIFT has no rule for a mixture of experts, whose choice jumps between the baseline and the input.",
                "Use integrated_gradients, input_x_gradient or attnlrp.");
  const int64_t stages = stage_count(model) - first;
  at::Tensor x = std::move(inputs);
  for (int64_t i = 0; i < stages; ++i) {
    context.check();
    inputs_.push_back(x);
    if (i == 0 || kept_) {
      Stage stage = record(i, x);
      x = stage.output.detach();
      if (i == 0) {
        ragged_ = can_run_ragged(stage);
        stage_bytes_ = saved_bytes(stage);
        kept_ = !model.layered() || stages * stage_bytes_ <= graph_budget;
      }
      if (kept_) stages_.push_back(std::move(stage));
    } else {
      x = through_stage(model, first + i, x);
    }
  }
  hidden_ = x.to(model.device);
}

void StagedForward::drop_graphs() {
  stages_.clear();
  kept_ = false;
}

Stage StagedForward::stage(int64_t i) const { return kept_ ? stages_[i] : record(i, inputs_[i]); }

Stage StagedForward::record(int64_t i, const at::Tensor& input) const {
  at::AutoGradMode recording(true);
  RulesGuard rules(rules_);
  at::Tensor leaf = input.to(stage_device(model_, first_ + i)).detach().requires_grad_();
  return {leaf, through_stage(model_, first_ + i, leaf)};
}

}  // namespace tokenlense
