#pragma once
#include "activation.h"

namespace tokenlense {

/// f(gate) ∘ up, gate and up being the halves of the last dimension: Shazeer 2020.
at::Tensor gated(const at::Tensor& gate_up, const Activation& activation);

/// The same with what a cotangent of it is multiplied by for either half, as the rules have it; of pairs, one for each.
struct GatedFactors {
  at::Tensor value, by_gate, by_up;
};
GatedFactors gated_by_rules(const at::Tensor& gate_up, const Activation& activation, Rules rules);

}  // namespace tokenlense
