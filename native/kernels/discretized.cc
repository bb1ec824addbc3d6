#include "../error.h"
#include "path_nodes.h"

// The path of discretized integrated gradients (Sanyal & Ren 2021): from each token towards the baseline over the embeddings of real words,
// each moved as little as keeps every dimension monotonic. The words' nearest neighbours are searched for the words of the path only.

namespace tokenlense {
namespace {

// Between input and baseline, in every dimension where the anchor is.
at::Tensor monotonic(const at::Tensor& anchor, const at::Tensor& baseline, const at::Tensor& input) {
  const at::Tensor down = (baseline < input) & (baseline <= anchor) & (anchor <= input);
  const at::Tensor up = (baseline > input) & (baseline >= anchor) & (anchor >= input);
  return down | up | ((baseline == input) & (baseline == anchor));
}

// The anchor, but for dimensions that are not between: there a step of the straight line.
at::Tensor make_monotonic(const at::Tensor& anchor, const at::Tensor& baseline, const at::Tensor& input, int64_t steps) {
  return at::where(monotonic(anchor, baseline, input), anchor, input - (1.0 / static_cast<double>(steps)) * (input - baseline));
}

class Words {
 public:
  Words(const Model& model, const PathPlan& plan, TaskContext& context) : plan_(plan), context_(context) {
    const int64_t vocabulary = model.vocabulary(), chunk = 4096;
    std::vector<at::Tensor> parts;
    for (int64_t from = 0; from < vocabulary; from += chunk)
      parts.push_back(model.call("embed", {at::arange(from, std::min(from + chunk, vocabulary), at::kLong).unsqueeze(0)})[0]);
    table_ = at::cat(parts);
    squares_ = table_.square().sum(1);
  }

  // Points of the path from baseline to word [steps, width], both ends among them.
  at::Tensor path(int64_t word, int64_t baseline_word, const at::Tensor& baseline) {
    std::vector<int64_t> words = {word};
    const bool special = std::find(plan_.special_tokens.begin(), plan_.special_tokens.end(), word) != plan_.special_tokens.end();
    while (static_cast<int64_t>(words.size()) < plan_.steps - 1) words.push_back(special ? word : next(words, baseline_word, baseline));
    std::vector<at::Tensor> points = {table_[word]};
    for (size_t i = 1; i < words.size(); ++i)
      points.push_back(make_monotonic(anchor(words[i], baseline), baseline, points.back(), plan_.steps));
    points.push_back(baseline);
    std::reverse(points.begin(), points.end());
    return at::stack(points);
  }

 private:
  static constexpr int64_t kBaseline = -1;  // as a word of the path where the baseline is no word

  at::Tensor anchor(int64_t word, const at::Tensor& baseline) const { return word == kBaseline ? baseline : table_[word]; }

  int64_t next(const std::vector<int64_t>& words, int64_t baseline_word, const at::Tensor& baseline) {
    const int64_t word = words.back();
    if (word == baseline_word || word == kBaseline) return word;
    std::vector<int64_t> candidates;
    for (const int64_t near : neighbours(word))
      if (near != baseline_word && std::find(words.begin(), words.end(), near) == words.end()) candidates.push_back(near);
    if (candidates.empty()) return baseline_word;
    const at::Tensor anchors = table_.index_select(0, at::tensor(candidates, at::kLong).to(table_.device())), input = table_[word];
    const at::Tensor cost = plan_.strategy == AnchorStrategy::greedy
                                ? at::linalg_vector_norm(anchors - make_monotonic(anchors, baseline, input, plan_.steps), 2, {-1})
                                : -monotonic(anchors, baseline, input).sum(-1).to(at::kFloat);
    return candidates[at::argmin(cost).item<int64_t>()];
  }

  // The nearest first, which decides between equal costs; without the word itself.
  const std::vector<int64_t>& neighbours(int64_t word) {
    auto& found = neighbours_[word];
    if (!found.empty()) return found;
    context_.check();
    at::Tensor distances = squares_ - 2 * at::mv(table_, table_[word]);
    distances[word] = std::numeric_limits<float>::infinity();
    const at::Tensor nearest = std::get<1>(distances.topk(std::min(plan_.neighbours, distances.size(0) - 1), -1, false)).cpu().contiguous();
    found.assign(nearest.const_data_ptr<int64_t>(), nearest.const_data_ptr<int64_t>() + nearest.numel());
    return found;
  }

  const PathPlan& plan_;
  TaskContext& context_;
  at::Tensor table_, squares_;  // [vocabulary, width], [vocabulary]
  std::map<int64_t, std::vector<int64_t>> neighbours_;
};

}  // namespace

std::vector<PathNode> discretized_nodes(const Model& model, const PathPlan& plan, const PathEnds& ends, TaskContext& context) {
  Words words(model, plan, context);
  std::vector<at::Tensor> paths;
  std::map<std::pair<int64_t, int64_t>, at::Tensor> known;  // a word comes more than once
  for (int64_t position = 0; position < plan.rows(); ++position) {
    const int64_t word = plan.ids[position], baseline_word = plan.baseline.kind == Baseline::Kind::ids ? plan.baseline.ids[position] : -1;
    at::Tensor& path = known[{word, baseline_word}];
    if (!path.defined()) path = words.path(word, baseline_word, ends.baseline[0][position]);
    paths.push_back(path);
  }
  const at::Tensor points = at::stack(paths, 1);  // [steps, rows, width]
  const at::Tensor difference = ends.input[0] - ends.baseline[0];
  std::vector<PathNode> nodes;
  // The last point has no next one: its step is zero, as in the paper's own program.
  for (int64_t i = 0; i + 1 < plan.steps; ++i)
    nodes.push_back({[points, i] { return points[i]; },
                     [points, i, difference, multiply = plan.multiply_by_input] {
                       const at::Tensor step = points[i + 1] - points[i];
                       return multiply ? step * difference : step;
                     },
                     -1, std::vector<double>(plan.outputs(), 1)});
  return nodes;
}

}  // namespace tokenlense
