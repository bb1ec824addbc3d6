#include "quadrature.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace tokenlense {
namespace {

constexpr double kTolerance = 1e-7;  // of the difference, below float32's own rounding
constexpr int64_t kFewestNodes = 16, kMostNodes = 512;

}  // namespace

Quadrature gauss_legendre(int64_t n) {
  Quadrature rule{std::vector<double>(n), std::vector<double>(n)};
  for (int64_t i = 0; i < (n + 1) / 2; ++i) {
    // Newton's method on the Legendre polynomial, from Tricomi's estimate of the root.
    double x = std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (static_cast<double>(n) + 0.5)), slope = 0;
    for (int turn = 0; turn < 100; ++turn) {
      double before = 1, value = x;
      for (int64_t k = 2; k <= n; ++k) {
        const double next =
            ((2.0 * static_cast<double>(k) - 1) * x * value - (static_cast<double>(k) - 1) * before) / static_cast<double>(k);
        before = value;
        value = next;
      }
      slope = static_cast<double>(n) * (x * value - before) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) < 1e-16) break;
    }
    const double weight = 1 / ((1 - x * x) * slope * slope);  // half of the weight on [−1, 1]
    rule.nodes[i] = (1 - x) / 2, rule.nodes[n - 1 - i] = (1 + x) / 2;
    rule.weights[i] = rule.weights[n - 1 - i] = weight;
  }
  return rule;
}

Quadrature quadrature(PathRule rule, int64_t n) {
  if (rule == PathRule::gauss_legendre) return gauss_legendre(n);
  Quadrature result{std::vector<double>(n), std::vector<double>(n, 1.0 / static_cast<double>(n))};
  const double count = static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double at = static_cast<double>(i);
    if (rule == PathRule::left) result.nodes[i] = at / count;
    if (rule == PathRule::middle) result.nodes[i] = (at + 0.5) / count;
    if (rule == PathRule::right) result.nodes[i] = (at + 1) / count;
    if (rule == PathRule::trapezoid) {
      result.nodes[i] = at / (count - 1);
      result.weights[i] = (i == 0 || i == n - 1 ? 0.5 : 1) / (count - 1);
    }
  }
  return result;
}

LineIntegral mean_gradient(const StepFunction& step, const at::Tensor& logits, const at::Tensor& baseline,
                           const std::function<StepInputs(const at::Tensor&, const std::vector<int64_t>&)>& inputs_at) {
  const at::Tensor end = logits.to(at::kDouble), start = baseline.to(at::kDouble);
  std::vector<int64_t> rows(end.size(0));
  std::iota(rows.begin(), rows.end(), 0);
  const at::Tensor value = step(inputs_at(end, rows)).detach(), base = step(inputs_at(start, rows)).detach();
  at::Tensor result = at::zeros_like(end);
  // Where the function changes abruptly, many nodes are needed, and those rows are few: the others are left as they are.
  for (int64_t n = kFewestNodes; n <= kMostNodes && !rows.empty(); n *= 2) {
    const at::Tensor chosen = at::tensor(rows, at::kLong).to(end.device()), from = start.index_select(0, chosen);
    const at::Tensor difference = end.index_select(0, chosen) - from;
    const Quadrature rule = gauss_legendre(n);
    at::Tensor gradient = at::zeros_like(from);
    for (int64_t i = 0; i < n; ++i) {
      at::Tensor point = at::add(from, difference, rule.nodes[i]).requires_grad_();
      const at::Tensor at_point = step(inputs_at(point, rows));
      gradient.add_(torch::autograd::grad({at_point.sum()}, {point})[0], rule.weights[i]);
    }
    result.index_copy_(0, chosen, gradient);
    const at::Tensor low = base.index_select(0, chosen), high = value.index_select(0, chosen);
    const at::Tensor allowed = kTolerance * (high.abs() + low.abs()).clamp_min(1e-12);
    const at::Tensor close = ((gradient * difference).sum(-1) - (high - low)).abs().le(allowed).cpu();
    std::vector<int64_t> open;
    for (size_t i = 0; i < rows.size(); ++i)
      if (!close[static_cast<int64_t>(i)].item<bool>()) open.push_back(rows[i]);
    rows = std::move(open);
  }
  return {result.to(logits.scalar_type()), base.to(logits.scalar_type()), value.to(logits.scalar_type())};
}

}  // namespace tokenlense
