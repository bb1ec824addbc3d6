#include "path.h"

#include "head.h"
#include "path_nodes.h"
#include "products.h"
#include "scores.h"
#include "survey.h"

// Interpolation is per position and the mask is causal, so one interpolated sequence serves every output: n forward passes and n·T
// products, where a program that takes output by output needs n·T of both.

namespace tokenlense {
namespace {

// Sequences of one forward pass have this many rows together, for its products to run at full speed.
constexpr int64_t kForwardRows = 384;
// Of a path to a tolerance, before it looks how far it is.
constexpr int64_t kFirstNodes = 12;

class PathRun {
 public:
  PathRun(const Model& model, const PathPlan& plan, TaskContext& context)
      : model_(model), plan_(plan), context_(context), head_(model, plan, context) {}

  AttributionResult run() {
    const at::Tensor embedded = embed(model_, plan_.ids).narrow(1, 0, plan_.rows());
    const at::Tensor baseline = embed_baseline(model_, plan_.baseline, plan_.rows());
    ends_ = {through_stages(model_, embedded, 0, plan_.layer, context_), through_stages(model_, baseline, 0, plan_.layer, context_)};
    const StagedForward clean_pass(model_, ends_.input, plan_.layer, 0, Rules::gradient, context_);
    sequence_bytes_ = clean_pass.count() * clean_pass.stage_bytes();
    least_ = least_bytes(clean_pass, plan_.rows()) + head_.bytes();
    const at::Tensor hidden = head_.rows_before_outputs(clean_pass.hidden());
    const at::Tensor values = head_.values(hidden, every_output(plan_), &result_);
    require_finite(values, plan_, "The attributed value");

    // Where the sum of a straight path's scores should arrive.
    if (plan_.kind == PathKind::discretized ? !plan_.multiply_by_input : plan_.kind != PathKind::sequential && plan_.multiply_by_input)
      change_ = (values - head_.values(head_.rows_before_outputs(through(ends_.baseline)), every_output(plan_))).cpu().to(at::kDouble);
    steps_.assign(plan_.outputs(), 0);
    attribute();
    result_.steps = at::tensor(steps_, at::kInt);
    if (change_.defined()) result_.deltas = (sums_ - change_).to(at::kFloat);
    return std::move(result_);
  }

 private:
  at::Tensor through(const at::Tensor& x) const { return through_stages(model_, x, plan_.layer, stage_count(model_), context_); }

  void attribute() {
    const int64_t width = ends_.input.size(2), length = plan_.rows();
    Scores scores(plan_, plan_.reduce, ends_.input);
    sums_ = at::zeros({plan_.outputs()}, at::kDouble);
    // Per output one sum over all nodes; where they do not fit together, outputs go in groups.
    const int64_t one = length * width * static_cast<int64_t>(sizeof(float));
    const int64_t spare = (plan_.memory_budget - least_ - scores.bytes()) / 2;
    const int64_t group = std::clamp<int64_t>(spare / one, 1, plan_.outputs());
    reserved_ = group * one + scores.bytes();
    progress_.emplace(context_, 0);
    const auto nodes = plan_.tolerance > 0 ? std::vector<PathNode>() : fixed_nodes();
    if (plan_.tolerance > 0) strata_ = find_strata();
    for (int64_t from = 0; from < plan_.outputs(); from += group) {
      const int64_t count = std::min(group, plan_.outputs() - from);
      at::Tensor totals = at::zeros({count, length, width}, ends_.input.options());
      if (plan_.tolerance > 0)
        to_tolerance(totals, from);
      else
        accumulate(nodes, totals, from);
      for (int64_t t = from; t < from + count; ++t) {
        const at::Tensor total = totals[t - from].narrow(0, 0, plan_.high(t));
        sums_[t] = total.sum(at::kDouble).cpu();
        scores.put(t, 0, total);
      }
    }
    result_.scores = scores.finish("The attribution");
  }

  std::vector<PathNode> fixed_nodes() const {
    return plan_.kind == PathKind::sequential    ? sequential_nodes(plan_, ends_)
           : plan_.kind == PathKind::random      ? random_nodes(plan_, ends_)
           : plan_.kind == PathKind::discretized ? discretized_nodes(model_, plan_, ends_, context_)
                                                 : straight_nodes(plan_, ends_);
  }

  // ---- to a tolerance ----
  //
  // Along the line a language model's step function changes in a few places, abruptly: equally good nodes everywhere are mostly wasted. So
  // a first look, by forward passes alone, finds where the functions change, and the line is cut into strata of equal change, with a node
  // in the middle of each. Outputs whose sum misses the function's change by more than the tolerance go on with each stratum cut in
  // three: its node stays the middle one, so that nothing is done twice.

  // Values [points, outputs] at points of the line, no gradients.
  at::Tensor values_at(const std::vector<double>& points) const {
    const auto outputs = every_output(plan_);
    std::vector<at::Tensor> values;
    for (size_t begin = 0; begin < points.size();) {
      const size_t count = std::min<size_t>(points.size() - begin, by_rows());
      std::vector<at::Tensor> inputs;
      for (size_t i = begin; i < begin + count; ++i) inputs.push_back(between(ends_.baseline[0], ends_.input[0], points[i]));
      const at::Tensor hidden = through(at::stack(inputs)).narrow(1, plan_.prompt_length - 1, plan_.outputs());
      std::vector<int64_t> wanted;
      for (size_t i = 0; i < count; ++i) wanted.insert(wanted.end(), outputs.begin(), outputs.end());
      values.push_back(
          head_.values(hidden.flatten(0, 1), wanted).view({static_cast<int64_t>(count), plan_.outputs()}).cpu().to(at::kDouble));
      begin += count;
    }
    return at::cat(values);
  }

  std::vector<double> find_strata() const {
    Survey survey;
    while (!survey.done()) survey.add(values_at(survey.wanted()));
    return survey.strata(std::min<int64_t>(plan_.steps, kFirstNodes));
  }

  void to_tolerance(at::Tensor& totals, int64_t from) {
    std::vector<bool> open(totals.size(0), true);
    std::vector<double> bounds = strata_;
    const at::Tensor allowed = change_.abs() * plan_.tolerance;
    for (bool first = true;; first = false) {
      std::vector<double> weights(plan_.outputs(), 0);
      for (int64_t t = 0; t < totals.size(0); ++t)
        if (open[t]) weights[from + t] = 1;
      if (!first)
        for (int64_t t = 0; t < totals.size(0); ++t)
          if (open[t]) totals[t].div_(3);
      accumulate(stratum_nodes(plan_, ends_, bounds, weights, first), totals, from);
      if (!first) bounds = cut_in_three(bounds);
      bool any = false;
      for (int64_t t = 0; t < totals.size(0); ++t) {
        const double sum = totals[t].narrow(0, 0, plan_.high(from + t)).sum(at::kDouble).item<double>();
        open[t] = open[t] && std::abs(sum - change_[from + t].item<double>()) > allowed[from + t].item<double>();
        any = any || open[t];
      }
      if (!any || static_cast<int64_t>(bounds.size() - 1) * 3 > plan_.steps) return;
    }
  }

  void accumulate(const std::vector<PathNode>& nodes, at::Tensor& totals, int64_t from) {
    for (const auto& node : nodes) {
      progress_->extend(work_of(targets_of(node, 0, from, totals.size(0)), stage_count(model_) - plan_.layer));
      for (int64_t t = from; t < from + totals.size(0); ++t) steps_[t] += node.weights[t] != 0 ? 1 : 0;
    }
    for (size_t begin = 0; begin < nodes.size();) {
      const size_t end = begin + chunk(nodes.size() - begin);
      walk_chunk(nodes, begin, end, from, totals);
      begin = end;
    }
  }

  std::vector<Target> targets_of(const PathNode& node, int64_t sequence, int64_t from, int64_t count) const {
    std::vector<Target> targets;
    for (int64_t t = from; t < from + count; ++t)
      if (node.weights[t] != 0) targets.push_back({sequence, t, plan_.high(t) - 1, std::max<int64_t>(0, node.only)});
    return targets;
  }

  // Sequences of one forward pass.
  int64_t by_rows() const { return (kForwardRows + plan_.rows() - 1) / plan_.rows(); }

  // Nodes that go through the model together.
  size_t chunk(size_t left) const {
    const int64_t by_memory = std::max<int64_t>(1, (plan_.memory_budget - reserved_) * 2 / 5 / sequence_bytes_);
    return static_cast<size_t>(std::min<int64_t>({by_rows(), by_memory, static_cast<int64_t>(left)}));
  }

  void walk_chunk(const std::vector<PathNode>& nodes, size_t begin, size_t end, int64_t from, at::Tensor& totals) {
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
    StagedForward forward(model_, at::stack(points), plan_.layer, (plan_.memory_budget - reserved_) * 2 / 5, Rules::gradient, context_);
    for (const auto& target : targets) {
      rows.push_back(forward.hidden()[target.sequence][target.position]);
      outputs.push_back(target.output);
    }
    const auto found = head_.cotangents(at::stack(rows), outputs);
    const ProductsBudget budget{plan_, head_.bytes() + reserved_};
    const auto report =
        products(model_, forward, targets, found.cotangents, budget, *progress_, [&](const Target& target, const at::Tensor& gradient) {
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
  int64_t sequence_bytes_ = 0, least_ = 0, reserved_ = 0;  // of one sequence's graphs; of the whole run; of the sums
  std::optional<Progress> progress_;
  at::Tensor sums_, change_;    // [outputs] float64
  std::vector<int32_t> steps_;  // of each output
  std::vector<double> strata_;  // borders, from 0 to 1
  AttributionResult result_;
};

}  // namespace

AttributionResult attribute_path(const Model& model, const PathPlan& plan, TaskContext& context) {
  return PathRun(model, plan, context).run();
}

}  // namespace tokenlense
