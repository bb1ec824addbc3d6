#pragma once
#include "../model.h"
#include "plan.h"

namespace tokenlense {

/// Gradients, or a relevance method's multipliers, of a step function at each output with respect to its prefix.
struct GradientPlan : Plan {
  Rules rules = Rules::gradient;
  int64_t layer = 0;                 // with respect to the input of this layer; 0: the embeddings
  std::optional<Baseline> baseline;  // of DeepLIFT
  bool multiply_by_input = false;    // by the input, or by its difference from the baseline
  Reduce reduce = Reduce::l2;
};

/// Of several texts in one batch, for short ones leave the processor waiting for weights: with the same rules, of the same layer, within
/// the smallest of their budgets.
std::vector<AttributionResult> attribute_gradients(const Model& model, const std::vector<GradientPlan>& plans, TaskContext& context);

}  // namespace tokenlense
