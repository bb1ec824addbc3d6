#include "randomise.h"

#include <ATen/CPUGeneratorImpl.h>

#include "error.h"
#include "split.h"

namespace tokenlense {
namespace {

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

}  // namespace

std::shared_ptr<Model> randomised(const Model& model, const Randomisation& plan, TaskContext& context) {
  if (!model.layered() && !plan.rest)
    throw Error("CAPABILITY", "Only a model with layers can be randomised in part; this one has the minimal contract.",
                "Randomise all of it, or build the model from its folder or GGUF file.");
  if (!model.parts.empty()) throw Error("CAPABILITY", "A model that is split over devices cannot be randomised.", "Load it on one device.");
  auto fresh = std::make_shared<Model>(model);
  fresh->module = model.module.deepcopy();
  const int64_t layers = model.layered() ? model.integer("layers") : 0, first = std::max<int64_t>(0, layers - plan.layers);
  torch::jit::Module& module = fresh->module;
  // Of a module with the minimal contract anything may have these names.
  const bool tied = model.layered() && module.hasattr("head") && module.hasattr("embedding") &&
                    module.attr("head").toTensor().is_alias_of(module.attr("embedding").toTensor());
  if (tied) module.setattr("head", module.attr("head").toTensor().clone());
  const auto weights = named_weights(module);
  int64_t done = 0;
  for (const auto& [name, weight] : weights) {
    context.step(done++, static_cast<int64_t>(weights.size()));
    if (!weight.is_floating_point() || weight.numel() == 0 || is_table(name)) continue;
    if (model.layered() && place_in(module, name, weight, 0)) {
      for (int64_t i = first; i < layers; ++i) {
        const int64_t place = *place_in(module, name, weight, i);
        if (place >= 0) permute(weight[place], name + "." + std::to_string(i), plan.seed);
      }
    } else if (name == "head" || name.starts_with("final_") || plan.rest) {
      permute(weight, tied && name == "head" ? "embedding" : name, plan.seed);
    }
  }
  fresh->bytes = weight_bytes(*fresh);
  return fresh;
}

}  // namespace tokenlense
