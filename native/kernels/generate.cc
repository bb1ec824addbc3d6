#include "generate.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <limits>

#include "../error.h"

namespace tokenlense {
namespace {

// Feeds tokens of several texts and gives the hidden rows of the last ones. With the layered contract keys and values are cached; without,
// the whole sequences run again for each token.
class Reader {
 public:
  Reader(const Model& model, int64_t texts, int64_t capacity) : model_(model), cached_(model.has("layer_cached")) {
    if (!cached_) return;
    const std::vector<int64_t> shape = {texts, model.integer("kv_heads"), capacity, model.integer("head_dim")};
    for (int64_t i = 0; i < model.integer("layers"); ++i) {
      const auto options = at::TensorOptions().dtype(at::kFloat).device(model.device_of(i));
      keys_.push_back(at::zeros(shape, options));
      values_.push_back(at::zeros(shape, options));
    }
  }

  // ids [texts, capacity], of which the first `length` are known.
  at::Tensor read(const at::Tensor& ids, int64_t length, TaskContext& context) {
    // With other positions every key is another: all is read once more.
    const int64_t switched = model_.long_after();
    if (read_ <= switched && length > switched) read_ = 0;
    const int64_t from = cached_ ? read_ : 0;
    at::Tensor x = model_.call("embed", {ids.narrow(1, from, length - from).contiguous()});
    if (!cached_) {
      if (!model_.layered()) {
        x = model_.call("hidden", {x, at::ones({x.size(0), x.size(1)}, x.options().dtype(at::kLong))});
      } else {
        for (int64_t i = 0; i < model_.integer("layers"); ++i) x = model_.call_layer("layer", i, {x});
      }
    }
    for (size_t i = 0; i < keys_.size(); ++i) {
      context.check();
      x = model_.call_layer("layer_cached", static_cast<int64_t>(i), {x, keys_[i], values_[i], from});
    }
    read_ = length;
    return x.select(1, x.size(1) - 1);
  }

 private:
  const Model& model_;
  bool cached_;
  int64_t read_ = 0;
  std::vector<at::Tensor> keys_, values_;  // [texts, kv_heads, capacity, head_dim] per layer
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

struct Text {
  explicit Text(const GenerationPlan& plan)
      : plan(plan), length(static_cast<int64_t>(plan.ids.size())), generator(at::make_generator<at::CPUGeneratorImpl>(plan.seed)) {}
  const GenerationPlan& plan;
  int64_t length;  // of prompt and new tokens
  at::Generator generator;
  std::vector<int64_t> fresh = {};
  bool stopped = false;
  bool open() const { return !stopped && static_cast<int64_t>(fresh.size()) < plan.max_new_tokens; }

  // False where it was a stop token.
  bool add(int64_t token) {
    stopped = std::find(plan.stop_tokens.begin(), plan.stop_tokens.end(), token) != plan.stop_tokens.end();
    if (stopped) return false;
    fresh.push_back(token);
    ++length;
    return true;
  }
};

}  // namespace

std::vector<std::vector<int64_t>> generate(const Model& model, const std::vector<GenerationPlan>& plans, TaskContext& context) {
  std::vector<Text> texts(plans.begin(), plans.end());
  int64_t shortest = std::numeric_limits<int64_t>::max(), capacity = 0, done = 0, total = 0;
  for (const Text& text : texts) {
    if (text.length == 0) throw Error("PROMPT", "The prompt is empty: generation needs at least one token.");
    shortest = std::min(shortest, text.length);
    capacity = std::max(capacity, text.length + text.plan.max_new_tokens);
    total += text.plan.max_new_tokens;
  }
  const auto count = static_cast<int64_t>(texts.size());
  // What stands behind a text's end is read with the others' next token, and nothing of the text sees it.
  at::Tensor ids = at::zeros({count, capacity}, at::kLong);
  for (int64_t i = 0; i < count; ++i) ids[i].narrow(0, 0, texts[i].length).copy_(at::tensor(plans[i].ids, at::kLong));
  Reader reader(model, count, capacity);
  for (int64_t length = shortest; std::any_of(texts.begin(), texts.end(), [](const Text& text) { return text.open(); }); ++length) {
    const at::Tensor hidden = reader.read(ids, length, context);
    std::vector<int64_t> next;  // texts whose next token comes of it
    for (int64_t i = 0; i < count; ++i)
      if (texts[i].open() && texts[i].length == length) next.push_back(i);
    if (next.empty()) continue;
    const at::Tensor logits = model.logits(hidden.index_select(0, at::tensor(next, at::kLong).to(hidden.device()))).cpu();
    for (size_t row = 0; row < next.size(); ++row) {
      Text& text = texts[next[row]];
      const at::Tensor own = logits[static_cast<int64_t>(row)];
      if (!at::isfinite(own).all().item<bool>())
        throw Error("NON_FINITE", "The logits are not finite at generated token " + std::to_string(text.fresh.size()) + ".",
                    "The model's weights may be damaged.");
      const int64_t token = sample(own, text.plan, text.generator);
      if (!text.add(token)) continue;
      ids[next[row]][length] = token;
      context.step(++done, total);
    }
  }
  std::vector<std::vector<int64_t>> fresh;
  for (Text& text : texts) fresh.push_back(std::move(text.fresh));
  return fresh;
}

}  // namespace tokenlense
