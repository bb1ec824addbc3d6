#include "path.h"

#include "../autograd/amx.h"
#include "../autograd/gemm.h"
#include "head.h"
#include "path_nodes.h"
#include "products.h"
#include "scores.h"
#include "strata.h"

// Interpolation is per position and the mask is causal, so one interpolated sequence serves every output: n forward passes and n·T
// products, where a program that takes output by output needs n·T of both.

namespace tokenlense {
namespace {

// Sequences of one forward pass have this many rows together, for its products to run at full speed.
constexpr int64_t kForwardRows = 384;
// Of a path to a tolerance. As shares of it: how much of a function's variation a quarter of the line may hold, and how far a gradient's
// sum may be from the function's change and still stay as it is. Likewise as a share of the gradient's size; and the most by which it is
// scaled.
constexpr double kShare = 0.25, kSlack = 0.5, kCancelled = 0.25, kMostRatio = 2;

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
    values_ = head_.values(hidden, every_output(plan_), &result_);
    require_finite(values_, plan_, "The attributed value");

    // Where the sum of a straight path's scores should arrive.
    if (plan_.kind == PathKind::discretized ? !plan_.multiply_by_input : plan_.kind != PathKind::sequential && plan_.multiply_by_input)
      base_values_ = head_.values(head_.rows_before_outputs(through(ends_.baseline)), every_output(plan_));
    steps_.assign(plan_.outputs(), 0);
    attribute();
    result_.steps = at::tensor(steps_, at::kInt);
    if (base_values_.defined())
      result_.deltas = (sums_ - (values_.cpu().to(at::kDouble) - base_values_.cpu().to(at::kDouble))).to(at::kFloat);
    return std::move(result_);
  }

 private:
  at::Tensor through(const at::Tensor& x) const { return through_stages(model_, x, plan_.layer, stage_count(model_), context_); }

  void attribute() {
    const int64_t width = ends_.input.size(2), length = plan_.rows();
    Scores scores(plan_, plan_.reduce, ends_.input);
    sums_ = at::zeros({plan_.outputs()}, at::kDouble);
    // Per output one sum over all nodes, and to a tolerance one of what is doubtful; where they do not fit together, outputs go in groups.
    const bool to_tolerance = plan_.tolerance > 0;
    const int64_t one = length * width * static_cast<int64_t>(sizeof(float)) * (to_tolerance ? 2 : 1);
    const int64_t spare = (plan_.memory_budget - least_ - scores.bytes()) / 2;
    const int64_t group = std::clamp<int64_t>(spare / one, 1, plan_.outputs());
    reserved_ = group * one + scores.bytes();
    progress_.emplace(context_, 0);
    if (to_tolerance) find_strata();
    const auto nodes = to_tolerance ? std::vector<PathNode>() : fixed_nodes();
    for (from_ = 0; from_ < plan_.outputs(); from_ += group) {
      const int64_t count = std::min(group, plan_.outputs() - from_);
      totals_ = at::zeros({count, length, width}, ends_.input.options());
      if (to_tolerance)
        accumulate_to_tolerance();
      else
        accumulate(nodes);
      for (int64_t t = from_; t < from_ + count; ++t) {
        const at::Tensor total = totals_[t - from_].narrow(0, 0, plan_.high(t));
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
  // Along the line a language model's step function changes in a few places, abruptly, each output's in its own: nodes that are equally
  // good everywhere are mostly wasted. Forward passes are cheap, one serving all outputs, so they find where an output changes, and its
  // line is cut into strata, narrow there (strata.h). Over a stratum the integral's sum is known, it is the function's change; so where
  // the gradient in its middle is far from that sum it is scaled towards it: the ratio estimator of survey sampling (Cochran 1977, chapter
  // 6), or a Riemann–Stieltjes sum over the function's values, ∫ ∇f/f′ df. A gradient that cannot have that sum, as it would have to
  // be turned round or made more than twice as large, is doubtful. Where doubtful ones keep the output's sum from the tolerance, their
  // strata are cut into thirds.

  // Values [points, outputs] at points of the line, no gradients.
  at::Tensor values_at(const std::vector<int64_t>& ticks) const {
    const auto outputs = every_output(plan_);
    std::vector<at::Tensor> values;
    for (size_t begin = 0; begin < ticks.size();) {
      const size_t count = std::min<size_t>(ticks.size() - begin, by_rows());
      std::vector<at::Tensor> inputs;
      for (size_t i = begin; i < begin + count; ++i) inputs.push_back(between(ends_.baseline[0], ends_.input[0], place_of(ticks[i])));
      const at::Tensor hidden = through(at::stack(inputs)).narrow(1, plan_.prompt_length - 1, plan_.outputs());
      std::vector<int64_t> wanted;
      for (size_t i = 0; i < count; ++i) wanted.insert(wanted.end(), outputs.begin(), outputs.end());
      values.push_back(head_.values(hidden.flatten(0, 1), wanted).view({static_cast<int64_t>(count), plan_.outputs()}));
      begin += count;
    }
    return at::cat(values);
  }

  void learn_borders() {
    const auto ticks = strata_->wanted();
    if (!ticks.empty()) strata_->learn(ticks, values_at(ticks));
  }

  void find_strata() {
    strata_.emplace(base_values_, values_, plan_.steps);
    do learn_borders();
    while (strata_->cut_by_change(kShare * plan_.tolerance));
  }

  void accumulate_to_tolerance() {
    const int64_t count = totals_.size(0);
    missed_.assign(count, 0);
    while (strata_->any_open(from_, count)) {
      doubtful_ = at::zeros_like(totals_);
      doubts_.assign(count, {});
      accumulate(stratum_nodes(plan_, ends_, *strata_, from_, count));
      for (int64_t t = from_; t < from_ + count; ++t) {
        const Doubts& doubts = doubts_[t - from_];
        const int64_t more = 3 * static_cast<int64_t>(doubts.strata.size());
        const bool divisible = std::all_of(doubts.strata.begin(), doubts.strata.end(), [](const auto& s) { return s.divisible(); });
        if (std::abs(missed_[t - from_] + doubts.missed) > allowed(t) && steps_[t] + more <= plan_.steps && divisible) {
          strata_->reopen(t, doubts.strata);
        } else {
          totals_[t - from_].add_(doubtful_[t - from_]);
          missed_[t - from_] += doubts.missed;
          strata_->reopen(t, {});
        }
      }
      learn_borders();
    }
    doubtful_.reset();
  }

  // What an output's sum may miss.
  double allowed(int64_t output) const { return plan_.tolerance * std::abs((values_[output] - base_values_[output]).item<double>()); }

  // A node's gradient times its factor, rows floor and later of the output's.
  void add_stratum(const Stratum& stratum, const Target& target, const at::Tensor& product) {
    const double width = stratum.width(), slack = kSlack * allowed(target.output) * width;
    const double change = strata_->change(target.output, stratum), seen = product.sum(at::kDouble).item<double>() * width;
    // Where positions and dimensions cancel, their sum says little about each of them.
    const double loose = std::max(slack, kCancelled * product.norm().item<double>() * width);
    const double wanted = std::clamp(seen, change - loose, change + loose);
    const double ratio = wanted == seen ? 1 : std::clamp(wanted / seen, 0.0, kMostRatio), missed = ratio * seen - change;
    const bool doubtful = !(std::abs(missed) <= slack * (1 + 1e-9));
    const int64_t t = target.output - from_;
    (doubtful ? doubtful_ : totals_)[t].narrow(0, target.floor, target.rows()).add_(product, ratio * width);
    (doubtful ? doubts_[t].missed : missed_[t]) += missed;
    if (doubtful) doubts_[t].strata.push_back(stratum);
  }

  void accumulate(const std::vector<PathNode>& nodes) {
    for (const auto& node : nodes) {
      const auto targets = targets_of(node, 0);
      progress_->extend(work_of(targets, stage_count(model_) - plan_.layer));
      for (const auto& target : targets) ++steps_[target.output];
    }
    for (size_t begin = 0; begin < nodes.size();) {
      const size_t end = begin + chunk(nodes.size() - begin);
      walk_chunk(nodes, begin, end);
      begin = end;
    }
  }

  // Of the group's outputs.
  std::vector<Target> targets_of(const PathNode& node, int64_t sequence) const {
    std::vector<Target> targets;
    for (int64_t t = from_; t < from_ + totals_.size(0); ++t)
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

  void walk_chunk(const std::vector<PathNode>& nodes, size_t begin, size_t end) {
    std::vector<at::Tensor> points, factors;
    std::vector<Target> targets;
    std::vector<at::Tensor> rows;
    std::vector<int64_t> outputs;
    for (size_t i = begin; i < end; ++i) {
      points.push_back(nodes[i].point());
      factors.push_back(nodes[i].factor());
      for (const auto& target : targets_of(nodes[i], static_cast<int64_t>(i - begin))) targets.push_back(target);
    }
    if (targets.empty()) return;
    const CoarseCotangents coarse;
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
          const at::Tensor rows = gradient.narrow(0, 0, count), factor = factors[target.sequence].narrow(0, target.floor, count);
          if (!node.strata.empty())
            add_stratum(node.strata[target.output], target, rows * factor);
          else
            totals_[target.output - from_].narrow(0, target.floor, count).addcmul_(rows, factor, node.weights[target.output]);
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
  at::Tensor values_, base_values_;  // [outputs], the function at both ends
  at::Tensor sums_;                  // [outputs] float64
  std::vector<int32_t> steps_;       // of each output
  // Of the group of outputs at work, from from_ on:
  int64_t from_ = 0;
  at::Tensor totals_, doubtful_;  // [group, length, width]
  std::vector<double> missed_;    // by the sums of what is in totals_
  struct Doubts {
    std::vector<Stratum> strata;
    double missed = 0;
  };
  std::vector<Doubts> doubts_;
  std::optional<Strata> strata_;
  AttributionResult result_;
};

}  // namespace

AttributionResult attribute_path(const Model& model, const PathPlan& plan, TaskContext& context) {
  return PathRun(model, plan, context).run();
}

}  // namespace tokenlense
