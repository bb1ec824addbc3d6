#include "forward.h"

namespace tokenlense {

StagedForward::StagedForward(const Model& model, at::Tensor embeddings, int64_t graph_budget, TaskContext& context)
    : model_(model), layered_(model.layered()) {
  const int64_t stages = layered_ ? model.integer("layers") : 1;
  at::Tensor x = embeddings;
  for (int64_t i = 0; i < stages; ++i) {
    context.check();
    inputs_.push_back(x);
    if (i == 0 || kept_) {
      Stage stage = record(i, x);
      x = stage.output.detach();
      if (i == 0) {
        ragged_ = can_run_ragged(stage);
        stage_bytes_ = saved_bytes(stage);
        kept_ = !layered_ || stages * stage_bytes_ <= graph_budget;
      }
      if (kept_) stages_.push_back(std::move(stage));
    } else {
      x = model_.call("layer", {i, x});
    }
  }
  hidden_ = x;
}

void StagedForward::drop_graphs() {
  stages_.clear();
  kept_ = false;
}

Stage StagedForward::stage(int64_t i) const { return kept_ ? stages_[i] : record(i, inputs_[i]); }

Stage StagedForward::record(int64_t i, const at::Tensor& input) const {
  at::AutoGradMode recording(true);
  at::Tensor leaf = input.detach().requires_grad_();
  if (layered_) return {leaf, model_.call("layer", {i, leaf})};
  const at::Tensor mask = at::ones({leaf.size(0), leaf.size(1)}, leaf.options().dtype(at::kLong));
  return {leaf, model_.call("hidden", {leaf, mask})};
}

}  // namespace tokenlense
