#pragma once
#include "path.h"
#include "strata.h"

namespace tokenlense {

/// One point of a path: the model is differentiated there, and the gradient multiplied by a factor and a weight.
struct PathNode {
  std::function<at::Tensor()> point;   // [length, width]
  std::function<at::Tensor()> factor;  // [length, width]
  int64_t only = -1;                   // the one position that the path moves; −1: all
  std::vector<double> weights;         // by output; zero where the node does not count
  std::vector<Stratum> strata = {};    // by output, what the node stands for; empty where that is not known
};

/// A path's ends, [1, length, width] each, at the input of its layer.
struct PathEnds {
  at::Tensor input, baseline;
};

/// The point of the line from baseline to input at alpha, 0 to 1.
at::Tensor between(const at::Tensor& baseline, const at::Tensor& input, double alpha);

std::vector<PathNode> straight_nodes(const PathPlan& plan, const PathEnds& ends);
std::vector<PathNode> sequential_nodes(const PathPlan& plan, const PathEnds& ends);
std::vector<PathNode> random_nodes(const PathPlan& plan, const PathEnds& ends);
std::vector<PathNode> discretized_nodes(const Model& model, const PathPlan& plan, const PathEnds& ends, TaskContext& context);
/// A node in the middle of each open stratum of outputs [from, from + count); outputs whose strata have the same middle share it.
std::vector<PathNode> stratum_nodes(const PathPlan& plan, const PathEnds& ends, const Strata& strata, int64_t from, int64_t count);

}  // namespace tokenlense
