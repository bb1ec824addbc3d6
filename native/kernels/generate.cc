#include "generate.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "../error.h"

namespace tokenlense {
namespace {

// Feeds tokens and gives the hidden row of the last one. With the layered contract keys and values are cached; without, the whole
// sequence runs again for each token.
class Reader {
 public:
  Reader(const Model& model, int64_t capacity) : model_(model), cached_(model.has("layer_cached")) {
    if (!cached_) return;
    const std::vector<int64_t> shape = {1, model.integer("kv_heads"), capacity, model.integer("head_dim")};
    const auto options = at::TensorOptions().dtype(at::kFloat).device(model.device);
    for (int64_t i = 0; i < model.integer("layers"); ++i) {
      keys_.push_back(at::zeros(shape, options));
      values_.push_back(at::zeros(shape, options));
    }
  }

  at::Tensor read(const std::vector<int64_t>& ids, TaskContext& context) {
    // With other positions every key is another: all is read once more.
    const auto switched = static_cast<size_t>(model_.long_after());
    if (read_ <= switched && ids.size() > switched) read_ = 0;
    const size_t from = cached_ ? read_ : 0;
    const at::Tensor fresh =
        at::tensor(at::ArrayRef<int64_t>(ids.data() + from, ids.size() - from), at::kLong).unsqueeze(0).to(model_.device);
    at::Tensor x = model_.call("embed", {fresh});
    if (!cached_) {
      if (!model_.layered()) {
        x = model_.call("hidden", {x, at::ones({1, x.size(1)}, x.options().dtype(at::kLong))});
      } else {
        for (int64_t i = 0; i < model_.integer("layers"); ++i) x = model_.call("layer", {i, x});
      }
    }
    for (size_t i = 0; i < keys_.size(); ++i) {
      context.check();
      x = model_.call("layer_cached", {static_cast<int64_t>(i), x, keys_[i], values_[i], static_cast<int64_t>(from)});
    }
    read_ = ids.size();
    return x.select(1, x.size(1) - 1);
  }

 private:
  const Model& model_;
  bool cached_;
  size_t read_ = 0;
  std::vector<at::Tensor> keys_, values_;  // [1, kv_heads, capacity, head_dim] per layer
};

int64_t sample(const at::Tensor& logits, const GenerationPlan& plan, at::Generator& generator) {
  if (plan.temperature == 0) return logits.argmax().item<int64_t>();
  auto [sorted, order] = (logits / plan.temperature).sort(/*dim=*/-1, /*descending=*/true);
  if (plan.top_k > 0 && plan.top_k < sorted.size(0)) sorted = sorted.narrow(0, 0, plan.top_k);
  at::Tensor probabilities = at::softmax(sorted, -1);
  // The nucleus is the smallest head of the distribution that holds top_p: a token stays where the mass before it is below top_p.
  if (plan.top_p < 1) {
    at::Tensor outside = probabilities.cumsum(-1) - probabilities >= plan.top_p;
    outside[0] = false;  // the likeliest one always stays
    probabilities = probabilities.masked_fill(outside, 0);
  }
  return order[at::multinomial(probabilities, 1, false, generator).item<int64_t>()].item<int64_t>();
}

}  // namespace

std::vector<int64_t> generate(const Model& model, const GenerationPlan& plan, TaskContext& context) {
  if (plan.ids.empty()) throw Error("PROMPT", "The prompt is empty: generation needs at least one token.");
  std::vector<int64_t> ids = plan.ids, fresh;
  Reader reader(model, static_cast<int64_t>(ids.size()) + plan.max_new_tokens);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(plan.seed);
  while (static_cast<int64_t>(fresh.size()) < plan.max_new_tokens) {
    const at::Tensor logits = model.logits(reader.read(ids, context))[0].cpu();
    if (!at::isfinite(logits).all().item<bool>())
      throw Error("NON_FINITE", "The logits are not finite at generated token " + std::to_string(fresh.size()) + ".",
                  "The model's weights may be damaged.");
    const int64_t next = sample(logits, plan, generator);
    if (std::find(plan.stop_tokens.begin(), plan.stop_tokens.end(), next) != plan.stop_tokens.end()) break;
    ids.push_back(next);
    fresh.push_back(next);
    context.step(static_cast<int64_t>(fresh.size()), plan.max_new_tokens);
  }
  return fresh;
}

}  // namespace tokenlense
