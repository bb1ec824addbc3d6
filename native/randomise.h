#pragma once
#include "model.h"

namespace tokenlense {

/// Which weights of a copy lose what they learned.
struct Randomisation {
  uint64_t seed = 0;
  int64_t layers = 0;  // the last of them, beside final norm and head
  bool rest = false;   // and what comes before the layers
};

/// A copy of the model in which each of these weights has its own values in random order, layer by layer; the same seed and weight always
/// give the same order. A head that is the embedding stays as it is drawn when the embedding follows.
/// @throws CAPABILITY where only a part is asked for of a model without layers.
std::shared_ptr<Model> randomised(const Model& model, const Randomisation& plan, TaskContext& context);

}  // namespace tokenlense
