#pragma once
#include <functional>

#include "../pch.h"

// By which rules operators record their backward. The packed walk is the same for all three; only what a node saves differs, so that
// relevance methods cost what a gradient costs.

namespace tokenlense {

enum class Rules {
  /// The derivative.
  gradient,
  /// DeepLIFT's multipliers (Shrikumar et al. 2017): every node maps the difference of its outputs between an input and its baseline to
  /// differences of its inputs, completely. The forward batch holds pairs: sequences [0, n) are inputs, [n, 2n) their baselines. Nodes
  /// save what the n pairs need, and cotangents exist for the first n only.
  deeplift,
  /// AttnLRP (Achtibat et al. 2024) in the form gradient × input: norms pass relevance on as if their scale were constant, activations by
  /// the identity rule, products in equal halves, softmax by its derivative.
  attnlrp,
};

/// Of this thread.
Rules current_rules();

class RulesGuard {
 public:
  explicit RulesGuard(Rules rules);
  ~RulesGuard();
  RulesGuard(const RulesGuard&) = delete;
  RulesGuard& operator=(const RulesGuard&) = delete;

 private:
  Rules before_;
};

/// Inputs and baselines of a batch of pairs.
struct Pairs {
  at::Tensor input, baseline;
};
Pairs pairs_of(const at::Tensor& batch);
inline at::Tensor mean_of(const Pairs& pairs) { return (pairs.input + pairs.baseline).mul_(0.5); }

/// The rescale rule for an elementwise function: (f(z) − f(z₀)) / (z − z₀), and its slope at the middle where the two are as good as equal.
/// In float64, for the difference would lose half the digits in float32.
at::Tensor secant(const Pairs& z, const std::function<at::Tensor(const at::Tensor&)>& f,
                  const std::function<at::Tensor(const at::Tensor&)>& slope);

/// What `dense` gets and gives when nodes saved pairs: the inputs' half of a cotangent [..., 2n, length, width], and a gradient of that
/// half with zeros for the baselines.
at::Tensor input_half(const at::Tensor& g);
at::Tensor with_zero_half(const at::Tensor& gradient);

}  // namespace tokenlense
