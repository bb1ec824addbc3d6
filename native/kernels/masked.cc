#include <algorithm>
#include <tuple>

#include "perturbed.h"

// The attributed function where chosen tokens are replaced, for figures of how faithful an attribution is.

namespace tokenlense {
namespace {

// Texts whose rows begin within as many run together.
constexpr int64_t kStarts = 8;

// It begins as the text itself does, or as the text with all tokens replaced: only what comes after that is computed.
struct MaskedText {
  int64_t index;
  bool replaced;  // how it begins
  int64_t start;  // the row from which on it runs
  int64_t length = 0;
  std::vector<int64_t> values = {};  // those that are wanted of it
};

std::vector<MaskedText> masked_texts(const PerturbationPlan& plan, bool cached) {
  const int64_t rows = plan.rows(), count = static_cast<int64_t>(plan.masks.size()) / rows;
  std::vector<MaskedText> texts;
  for (int64_t i = 0; i < count; ++i) texts.push_back({i, plan.masks[i * rows] == 0, cached ? rows : 0});
  for (size_t v = 0; v < plan.value_texts.size(); ++v) {
    MaskedText& text = texts[plan.value_texts[v]];
    const int64_t high = plan.high(plan.value_outputs[v]);
    text.length = std::max(text.length, high);
    text.start = std::min(text.start, high - 1);
    text.values.push_back(static_cast<int64_t>(v));
  }
  std::erase_if(texts, [](const MaskedText& text) { return text.values.empty(); });
  for (MaskedText& text : texts) {
    const uint8_t* mask = plan.masks.data() + text.index * rows;
    int64_t same = 1;
    while (same < text.start && (mask[same] == 0) == text.replaced) ++same;
    text.start = std::min(text.start, same) / kStarts * kStarts;
  }
  std::sort(texts.begin(), texts.end(), [](const MaskedText& a, const MaskedText& b) {
    return std::tie(a.replaced, a.start, a.length, a.index) < std::tie(b.replaced, b.start, b.length, b.index);
  });
  return texts;
}

}  // namespace

AttributionResult masked(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  Perturbed perturbed(model, plan, context);
  const int64_t rows = plan.rows();
  const SuffixForward& clean = perturbed.forward();
  const SuffixForward replaced(model, embed_baseline(model, plan.baseline, rows), context);
  perturbed.hold(replaced.bytes());
  const at::Tensor kept =
      at::from_blob(const_cast<uint8_t*>(plan.masks.data()), {static_cast<int64_t>(plan.masks.size()) / rows, rows}, at::kByte)
          .to(at::kBool)
          .to(model.device);
  const std::vector<MaskedText> texts = masked_texts(plan, clean.cached());
  at::Tensor values = at::zeros({static_cast<int64_t>(plan.value_texts.size())}, at::kFloat);
  Progress progress(context, static_cast<int64_t>(texts.size()));
  for (size_t from = 0, to; from < texts.size(); from = to) {
    const MaskedText& first = texts[from];
    auto fits = [&](const MaskedText& text) {
      return text.replaced == first.replaced && text.start == first.start &&
             static_cast<int64_t>(to + 1 - from) * (text.length - first.start) <= perturbed.most_rows();
    };
    for (to = from + 1; to < texts.size() && fits(texts[to]);) ++to;
    const int64_t start = first.start, length = texts[to - 1].length - start;
    std::vector<int64_t> chosen, places;
    std::vector<Perturbed::Row> wanted;
    for (size_t i = from; i < to; ++i) {
      chosen.push_back(texts[i].index);
      for (const int64_t v : texts[i].values) {
        wanted.push_back({static_cast<int64_t>(i - from), plan.value_outputs[v]});
        places.push_back(v);
      }
    }
    const at::Tensor keep = kept.index_select(0, at::tensor(chosen, at::kLong).to(model.device)).narrow(1, start, length).unsqueeze(-1);
    const at::Tensor suffixes = at::where(keep, clean.clean().narrow(1, start, length), replaced.clean().narrow(1, start, length));
    const at::Tensor found = perturbed.values(first.replaced ? replaced : clean, suffixes, start, wanted).cpu();
    values.index_copy_(0, at::tensor(places, at::kLong), found);
    progress.advance(static_cast<int64_t>(to - from));
  }
  const at::Tensor outputs = at::tensor(plan.value_outputs, at::kLong);
  require_finite(at::zeros({plan.outputs()}, at::kDouble).index_add_(0, outputs, values.to(at::kDouble)), plan,
                 "The value with tokens replaced");
  AttributionResult result = perturbed.finish();
  result.scores = values;
  return result;
}

}  // namespace tokenlense
