#include "path_nodes.h"

#include <ATen/CPUGeneratorImpl.h>

#include "quadrature.h"

namespace tokenlense {
namespace {

at::Tensor difference_or_one(const PathPlan& plan, const PathEnds& ends) {
  return plan.multiply_by_input ? (ends.input - ends.baseline)[0] : at::ones_like(ends.input[0]);
}

}  // namespace

// In captum's order of operations: where a function changes abruptly, even the rounding of its input shows.
at::Tensor between(const at::Tensor& baseline, const at::Tensor& input, double alpha) { return baseline + (input - baseline) * alpha; }

std::vector<PathNode> straight_nodes(const PathPlan& plan, const PathEnds& ends) {
  const Quadrature rule = quadrature(plan.rule, plan.steps);
  const at::Tensor factor = difference_or_one(plan, ends);
  std::vector<PathNode> nodes;
  for (size_t i = 0; i < rule.nodes.size(); ++i)
    nodes.push_back({[ends, alpha = rule.nodes[i]] { return between(ends.baseline[0], ends.input[0], alpha); }, [factor] { return factor; },
                     -1, std::vector<double>(plan.outputs(), rule.weights[i])});
  return nodes;
}

std::vector<PathNode> stratum_nodes(const PathPlan& plan, const PathEnds& ends, const Strata& strata, int64_t from, int64_t count) {
  const at::Tensor factor = difference_or_one(plan, ends);
  const auto outputs = static_cast<size_t>(plan.outputs());
  std::map<int64_t, PathNode> nodes;
  for (int64_t t = from; t < from + count; ++t)
    for (const auto& stratum : strata.open(t)) {
      auto& node = nodes[stratum.middle()];
      if (node.weights.empty()) {
        node = {[ends, alpha = place_of(stratum.middle())] { return between(ends.baseline[0], ends.input[0], alpha); },
                [factor] { return factor; }, -1, std::vector<double>(outputs, 0), std::vector<Stratum>(outputs)};
      }
      node.weights[t] = stratum.width();
      node.strata[t] = stratum;
    }
  std::vector<PathNode> list;
  for (auto& [tick, node] : nodes) list.push_back(std::move(node));
  return list;
}

std::vector<PathNode> sequential_nodes(const PathPlan& plan, const PathEnds& ends) {
  const Quadrature rule = quadrature(plan.rule, plan.steps);
  const at::Tensor factor = difference_or_one(plan, ends);
  std::vector<PathNode> nodes;
  for (int64_t position = 0; position < plan.rows(); ++position)
    for (size_t i = 0; i < rule.nodes.size(); ++i) {
      std::vector<double> weights(plan.outputs(), 0);
      for (int64_t t = 0; t < plan.outputs(); ++t)
        if (position < plan.high(t)) weights[t] = rule.weights[i];
      nodes.push_back({[ends, position, alpha = rule.nodes[i]] {
                         at::Tensor point = ends.input[0].clone();
                         point[position].copy_(between(ends.baseline[0][position], ends.input[0][position], alpha));
                         return point;
                       },
                       [factor] { return factor; }, position, std::move(weights)});
    }
  return nodes;
}

std::vector<PathNode> random_nodes(const PathPlan& plan, const PathEnds& ends) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(plan.seed);
  const at::Tensor ones = at::ones_like(ends.input[0]);
  const double share = 1.0 / static_cast<double>(plan.coefficients.size());
  std::vector<PathNode> nodes;
  for (const double alpha : plan.coefficients) {
    at::Tensor input = ends.input[0];
    if (plan.noise > 0)
      input = input + at::randn(input.sizes(), generator, input.options().device(at::kCPU)).to(input.device()) * plan.noise;
    const at::Tensor factor = plan.multiply_by_input ? input - ends.baseline[0] : ones;
    nodes.push_back({[ends, input, alpha] { return between(ends.baseline[0], input, alpha); }, [factor] { return factor; }, -1,
                     std::vector<double>(plan.outputs(), share)});
  }
  return nodes;
}

}  // namespace tokenlense
