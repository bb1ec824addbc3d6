#include "randomise.h"

#include <ATen/CPUGeneratorImpl.h>

#include <set>

#include "error.h"

namespace tokenlense {
namespace {

// Buffers that were computed, not learned.
const std::set<std::string> kTables = {"rotary_cos", "rotary_sin", "position_bias"};

// FNV-1a: the same on every system.
uint64_t digest(const std::string& text, uint64_t seed) {
  uint64_t hash = 14695981039346656037ull ^ seed;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 1099511628211ull;
  return hash;
}

void permute(const at::Tensor& values, const std::string& name, uint64_t seed) {
  const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(digest(name, seed));
  const at::Tensor order = at::randperm(values.numel(), generator, at::TensorOptions().dtype(at::kLong));
  values.copy_(values.flatten().index_select(0, order.to(values.device())).view_as(values));
}

int64_t element(const torch::jit::Module& module, const char* list, int64_t i) { return module.attr(list).toIntList().get(i); }

// A layer's place in a weight that is stacked by layer, −1 where the layer has none of it; nothing for other weights.
std::optional<int64_t> place_in(const torch::jit::Module& module, const std::string& name, const at::Tensor& weight, int64_t layer) {
  static const std::set<std::string> apart = {"embedding", "positions", "head", "project_in"};
  if (weight.dim() < 2 || apart.count(name) || name.starts_with("final_")) return {};
  // Of a mixture's weights each is stacked over the layers that have it.
  if (module.hasattr("has_experts")) {
    const bool experts = name.starts_with("router") || name.starts_with("experts_") || name.starts_with("shared_");
    if (experts || name == "gate_up" || name == "down")
      return experts == (element(module, "has_experts", layer) == 1) ? element(module, "places", layer) : -1;
  }
  if (weight.size(0) != module.attr("layers").toInt()) return {};
  return layer;
}

}  // namespace

std::shared_ptr<Model> randomised(const Model& model, const Randomisation& plan, TaskContext& context) {
  if (!model.layered() && !plan.rest)
    throw Error("CAPABILITY", "Only a model with layers can be randomised in part; this one has the minimal contract.",
                "Randomise all of it, or build the model from its folder or GGUF file.");
  auto fresh = std::make_shared<Model>(model);
  fresh->module = model.module.deepcopy();
  const int64_t layers = model.layered() ? model.integer("layers") : 0, first = std::max<int64_t>(0, layers - plan.layers);
  torch::jit::Module& module = fresh->module;
  // Of a module with the minimal contract anything may have these names.
  const bool tied = model.layered() && module.hasattr("head") && module.hasattr("embedding") &&
                    module.attr("head").toTensor().is_alias_of(module.attr("embedding").toTensor());
  if (tied) module.setattr("head", module.attr("head").toTensor().clone());
  std::vector<std::pair<std::string, at::Tensor>> weights;
  for (const auto& weight : module.named_buffers()) weights.emplace_back(weight.name, weight.value);
  for (const auto& weight : module.named_parameters()) weights.emplace_back(weight.name, weight.value);
  int64_t done = 0;
  for (const auto& [name, weight] : weights) {
    context.step(done++, static_cast<int64_t>(weights.size()));
    if (!weight.is_floating_point() || weight.numel() == 0 || kTables.count(name)) continue;
    if (model.layered() && place_in(module, name, weight, 0)) {
      for (int64_t i = first; i < layers; ++i) {
        const int64_t place = *place_in(module, name, weight, i);
        if (place >= 0) permute(weight[place], name + "." + std::to_string(i), plan.seed);
      }
    } else if (name == "head" || name.starts_with("final_") || plan.rest) {
      permute(weight, tied && name == "head" ? "embedding" : name, plan.seed);
    }
  }
  fresh->bytes = weight_bytes(module);
  return fresh;
}

}  // namespace tokenlense
