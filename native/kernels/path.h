#pragma once
#include "../model.h"
#include "plan.h"

namespace tokenlense {

enum class PathKind {
  straight,     // every position from its baseline to its input: Sundararajan et al. 2017
  sequential,   // one position after the other, the rest as it is: Enguehard 2023
  discretized,  // over embeddings of words between baseline and input: Sanyal & Ren 2021
  random,       // at random points of straight lines to noisy inputs: GradientSHAP, Lundberg & Lee 2017
};
enum class PathRule { gauss_legendre, left, right, middle, trapezoid };
enum class AnchorStrategy { greedy, maxcount };

/// Gradients of a step function along a path from a baseline to the input, summed: Σ ∇f(xᵢ)·Δᵢ at each output.
struct PathPlan : Plan {
  PathKind kind = PathKind::straight;
  PathRule rule = PathRule::gauss_legendre;
  int64_t steps = 50;
  double tolerance = 0;  // above 0, of a straight path: as few nodes as keep the convergence delta below this share of |f(x) − f(x₀)|
  int64_t layer = 0;     // the path runs in the input of this layer
  Baseline baseline;
  bool multiply_by_input = true;
  Reduce reduce = Reduce::l2;
  // random:
  std::vector<double> coefficients;  // where on the line, 0 to 1; one per step
  double noise = 0;                  // standard deviation around the input
  uint64_t seed = 0;
  // discretized:
  AnchorStrategy strategy = AnchorStrategy::greedy;
  int64_t neighbours = 50;
  std::vector<int64_t> special_tokens;  // stay as they are
};

AttributionResult attribute_path(const Model& model, const PathPlan& plan, TaskContext& context);

}  // namespace tokenlense
