#pragma once
#include "../model.h"
#include "plan.h"

namespace tokenlense {

enum class InternalsKind {
  attention,           // probabilities of the row that predicts the output
  rollout,             // their product over layers, residuals counted: Abnar & Zuidema 2020
  attention_gradient,  // probabilities times their gradient, summed over query rows: Barkan et al. 2021
  value_zeroing,       // how far a layer's output turns when one position's values are zero: Mohebbi et al. 2023
};

/// What a model's layers show of themselves.
struct InternalsPlan : Plan {
  InternalsKind kind = InternalsKind::attention;
  std::vector<int64_t> layers;  // empty: all
  std::vector<int64_t> heads;   // empty: all
  bool mean = true;             // over the layers (and heads) asked for; else they are kept: [sequence, outputs, layers(, heads)]
};

AttributionResult attribute_internals(const Model& model, const InternalsPlan& plan, TaskContext& context);

}  // namespace tokenlense
