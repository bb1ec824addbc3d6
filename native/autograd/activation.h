#pragma once
#include "rules.h"

namespace tokenlense {

/// An elementwise function and its derivative.
struct Activation {
  std::function<at::Tensor(const at::Tensor&)> f, slope;
};

/// "silu", "relu", "gelu" (by the error function) or "gelu_tanh" (GPT-2's): Elfwing et al. 2018, Hendrycks & Gimpel 2016.
Activation activation_of(c10::string_view name);
/// cap · tanh(z / cap).
Activation bounded_by(double cap);

/// What a cotangent of f(z) is multiplied by, as the rules have it: the derivative; for DeepLIFT, of pairs, the secant; for AttnLRP f(z)/z,
/// so that f passes on the relevance that it gets.
at::Tensor slope_by_rules(const Activation& activation, const at::Tensor& z, const at::Tensor& value, Rules rules);

}  // namespace tokenlense
