#include "path.h"

#include "../error.h"
#include "head.h"
#include "path_nodes.h"
#include "products.h"
#include "scores.h"

// Interpolation is per position and the mask is causal, so one interpolated sequence serves every output: n forward passes and n·T
// products, where a program that takes output by output needs n·T of both.

namespace tokenlense {
namespace {

// Sequences of one forward pass have this many rows together, for its products to run at full speed.
constexpr int64_t kForwardRows = 384;

class PathRun {
 public:
  PathRun(const Model& model, const PathPlan& plan, TaskContext& context)
      : model_(model), plan_(plan), context_(context), head_(model, plan, context) {}

  AttributionResult run() {
    const at::Tensor clean = embed(model_, plan_.ids).narrow(1, 0, plan_.rows());
    const at::Tensor baseline = embed_baseline(model_, plan_.baseline, plan_.rows());
    ends_ = {through_stages(model_, clean, 0, plan_.layer, context_), through_stages(model_, baseline, 0, plan_.layer, context_)};
    const at::Tensor hidden = head_.rows_before_outputs(through(ends_.input));
    result_.step_scores = head_.step_scores(hidden);
    const at::Tensor values = head_.values(hidden, every_output(plan_));
    require_finite(values, plan_, "The attributed value");

    std::vector<PathNode> nodes = plan_.kind == PathKind::sequential ? sequential_nodes(plan_, ends_)
                                  : plan_.kind == PathKind::random   ? random_nodes(plan_, ends_)
                                                                     : straight_nodes(plan_, ends_);
    result_.steps = at::zeros({plan_.outputs()}, at::kInt);
    for (const auto& node : nodes)
      for (int64_t t = 0; t < plan_.outputs(); ++t) result_.steps[t] += node.weights[t] != 0 ? 1 : 0;
    walk(nodes);
    if (plan_.kind != PathKind::sequential && plan_.multiply_by_input) {
      const at::Tensor base = head_.values(head_.rows_before_outputs(through(ends_.baseline)), every_output(plan_));
      result_.deltas = (sums_ - (values - base).cpu().to(at::kDouble)).to(at::kFloat);
    }
    return std::move(result_);
  }

 private:
  at::Tensor through(const at::Tensor& x) const { return through_stages(model_, x, plan_.layer, stage_count(model_), context_); }

  void walk(const std::vector<PathNode>& nodes) {
    const int64_t width = ends_.input.size(2), length = plan_.rows();
    Scores scores(plan_, plan_.reduce, ends_.input);
    sums_ = at::zeros({plan_.outputs()}, at::kDouble);
    // Per output one sum over all nodes; where they do not fit together, outputs go in groups.
    const int64_t one = length * width * static_cast<int64_t>(sizeof(float));
    const int64_t group = std::clamp<int64_t>(plan_.memory_budget / 4 / one, 1, plan_.outputs());
    int64_t work = 0;
    for (const auto& node : nodes) work += work_of(targets_of(node, 0, 0, plan_.outputs()), stage_count(model_) - plan_.layer);
    Progress progress(context_, work);
    for (int64_t from = 0; from < plan_.outputs(); from += group) {
      const int64_t count = std::min(group, plan_.outputs() - from);
      at::Tensor totals = at::zeros({count, length, width}, ends_.input.options());
      for (size_t begin = 0; begin < nodes.size();) {
        const size_t end = begin + chunk(nodes.size() - begin);
        walk_chunk(nodes, begin, end, from, totals, count * one + scores.bytes(), progress);
        begin = end;
      }
      for (int64_t t = from; t < from + count; ++t) {
        const at::Tensor total = totals[t - from].narrow(0, 0, plan_.high(t));
        sums_[t] = total.sum(at::kDouble).cpu();
        scores.put(t, 0, total);
      }
    }
    result_.scores = scores.finish("The attribution");
  }

  std::vector<Target> targets_of(const PathNode& node, int64_t sequence, int64_t from, int64_t count) const {
    std::vector<Target> targets;
    for (int64_t t = from; t < from + count; ++t)
      if (node.weights[t] != 0) targets.push_back({sequence, t, plan_.high(t) - 1, std::max<int64_t>(0, node.only)});
    return targets;
  }

  // Nodes that go through the model together.
  size_t chunk(size_t left) const {
    const int64_t by_rows = (kForwardRows + plan_.rows() - 1) / plan_.rows();
    // The first forward pass tells what a stage holds; until then it has one sequence.
    const int64_t by_memory = sequence_bytes_ == 0 ? 1 : std::max<int64_t>(1, plan_.memory_budget * 2 / 5 / sequence_bytes_);
    return static_cast<size_t>(std::min<int64_t>({by_rows, by_memory, static_cast<int64_t>(left)}));
  }

  void walk_chunk(const std::vector<PathNode>& nodes, size_t begin, size_t end, int64_t from, at::Tensor& totals, int64_t reserved,
                  Progress& progress) {
    std::vector<at::Tensor> points, factors;
    std::vector<Target> targets;
    std::vector<at::Tensor> rows;
    std::vector<int64_t> outputs;
    for (size_t i = begin; i < end; ++i) {
      points.push_back(nodes[i].point());
      factors.push_back(nodes[i].factor());
      for (const auto& target : targets_of(nodes[i], static_cast<int64_t>(i - begin), from, totals.size(0))) targets.push_back(target);
    }
    if (targets.empty()) return;
    StagedForward forward(model_, at::stack(points), plan_.layer, plan_.memory_budget * 2 / 5, Rules::gradient, context_);
    sequence_bytes_ = forward.count() * forward.stage_bytes() / static_cast<int64_t>(points.size());
    for (const auto& target : targets) {
      rows.push_back(forward.hidden()[target.sequence][target.position]);
      outputs.push_back(target.output);
    }
    const auto found = head_.cotangents(at::stack(rows), outputs);
    const ProductsBudget budget{plan_.memory_budget, head_.bytes() + reserved, plan_.engine,
                                "Attributing " + std::to_string(plan_.ids.size()) + " tokens"};
    const auto report =
        products(model_, forward, targets, found.cotangents, budget, progress, [&](const Target& target, const at::Tensor& gradient) {
          const auto& node = nodes[begin + target.sequence];
          const int64_t count = node.only < 0 ? target.rows() : 1;  // a position's own row is the first of them
          totals[target.output - from]
              .narrow(0, target.floor, count)
              .addcmul_(gradient.narrow(0, 0, count), factors[target.sequence].narrow(0, target.floor, count), node.weights[target.output]);
        });
    result_.engine = report.engine;
    result_.planned_bytes = std::max(result_.planned_bytes, report.planned_bytes);
    result_.block = report.block;
  }

  const Model& model_;
  const PathPlan& plan_;
  TaskContext& context_;
  Head head_;
  PathEnds ends_;
  int64_t sequence_bytes_ = 0;
  at::Tensor sums_;
  AttributionResult result_;
};

}  // namespace

AttributionResult attribute_path(const Model& model, const PathPlan& plan, TaskContext& context) {
  return PathRun(model, plan, context).run();
}

}  // namespace tokenlense
