#pragma once
#include <optional>

#include "model.h"

namespace tokenlense {

/// A buffer that was computed, not learned.
bool is_table(const std::string& name);

/// A layer's place in a weight that is stacked by layer, −1 where the layer has none of it; nothing for other weights.
std::optional<int64_t> place_in(const torch::jit::Module& module, const std::string& name, const at::Tensor& weight, int64_t layer);

/// Splits a model that lies on the CPU over devices by layer: model.parts. Memory is that of the weights, on each device its own.
void split(Model& model, const std::vector<at::Device>& devices, TaskContext& context);

}  // namespace tokenlense
