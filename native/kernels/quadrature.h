#pragma once
#include "path.h"

namespace tokenlense {

/// Nodes and weights of a rule on [0, 1].
struct Quadrature {
  std::vector<double> nodes, weights;
};

/// Gauss–Legendre, exact for polynomials of degree 2n − 1.
Quadrature gauss_legendre(int64_t n);
/// The rule with n nodes; a trapezoid has both ends among them.
Quadrature quadrature(PathRule rule, int64_t n);

struct LineIntegral {
  at::Tensor gradient;    // [n, vocabulary], the mean of the step function's gradient along the line
  at::Tensor start, end;  // [n], the function's values
};

/// A step function's mean gradient on the line between two logit rows (Aumann & Shapley): the multiplier of a function of many inputs, for
/// (logits − baseline)·gradient is the difference of its values. In float64, with as many nodes as that equation needs to hold.
/// inputs_at(logits, rows): the function's inputs there, of these of the n rows.
LineIntegral mean_gradient(const StepFunction& step, const at::Tensor& logits, const at::Tensor& baseline,
                           const std::function<StepInputs(const at::Tensor&, const std::vector<int64_t>&)>& inputs_at);

}  // namespace tokenlense
