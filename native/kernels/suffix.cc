#include "suffix.h"

#include "forward.h"

namespace tokenlense {

SuffixForward::SuffixForward(const Model& model, at::Tensor clean, TaskContext& context)
    : model_(model), context_(context), clean_(std::move(clean)), cached_(model.has("layer_cached")) {
  if (!cached_) {
    hidden_ = through_stages(model_, clean_, 0, stage_count(model_), context_);
    return;
  }
  const std::vector<int64_t> shape = {1, model.integer("kv_heads"), clean_.size(1), model.integer("head_dim")};
  hidden_ = clean_;
  for (int64_t i = 0; i < model.integer("layers"); ++i) {
    context_.check();
    const auto options = clean_.options().device(model_.device_of(i));
    keys_.push_back(at::zeros(shape, options));
    values_.push_back(at::zeros(shape, options));
    hidden_ = model_.call_layer("layer_cached", i, {hidden_, keys_.back(), values_.back(), int64_t{0}});
  }
  hidden_ = hidden_.to(model_.device);
}

int64_t SuffixForward::bytes() const {
  int64_t bytes = static_cast<int64_t>(clean_.nbytes() + hidden_.nbytes());
  for (const auto& keys : keys_) bytes += 2 * static_cast<int64_t>(keys.nbytes());
  return bytes;
}

at::Tensor SuffixForward::run(const at::Tensor& suffixes, int64_t start) const {
  const int64_t n = suffixes.size(0);
  if (start == 0 || !cached_) {
    const at::Tensor whole = start == 0 ? suffixes : at::cat({clean_.narrow(1, 0, start).expand({n, -1, -1}), suffixes}, 1);
    return through_stages(model_, whole, 0, stage_count(model_), context_).narrow(1, start, suffixes.size(1));
  }
  at::Tensor x = suffixes;
  auto extended = [&](const at::Tensor& prefix) {
    at::Tensor all = at::empty({n, prefix.size(1), prefix.size(2), prefix.size(3)}, prefix.options());
    all.narrow(2, 0, start).copy_(prefix.narrow(2, 0, start).expand({n, -1, -1, -1}));
    return all;
  };
  for (size_t i = 0; i < keys_.size(); ++i) {
    context_.check();
    x = model_.call_layer("layer_cached", static_cast<int64_t>(i), {x, extended(keys_[i]), extended(values_[i]), start});
  }
  return x.to(model_.device);
}

}  // namespace tokenlense
