#include "split.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "error.h"

namespace tokenlense {
namespace {

int64_t element(const torch::jit::Module& module, const char* list, int64_t i) { return module.attr(list).toIntList().get(i); }

// Of all layers; to these of some is narrowed what a layer is looked up in.
constexpr std::array kByLayer = {"windows", "rotary_of", "has_experts", "places"};

// The places of layers [first, end) in a stack: first and count.
std::pair<int64_t, int64_t> places(const torch::jit::Module& module, const std::string& name, const at::Tensor& weight, int64_t first,
                                   int64_t end) {
  int64_t from = 0, count = 0;
  for (int64_t i = first; i < end; ++i) {
    const int64_t place = *place_in(module, name, weight, i);
    if (place < 0) continue;
    if (count++ == 0) from = place;
  }
  return {from, count};
}

// A layer's place among those of its kind in the part.
std::vector<int64_t> places_in_part(const torch::jit::Module& module, int64_t first, int64_t end) {
  std::vector<int64_t> places;
  std::map<int64_t, int64_t> seen;  // by kind
  for (int64_t i = first; i < end; ++i) places.push_back(seen[element(module, "has_experts", i)]++);
  return places;
}

// apart: in memory of its own, where it lies on this device already.
Part part_of(const torch::jit::Module& whole, int64_t first, int64_t end, at::Device device, bool apart) {
  const auto move = [&](const at::Tensor& tensor) { return tensor.to(device, tensor.scalar_type(), false, apart); };
  Part part{first, end, device, whole.copy()};
  std::map<const void*, at::Tensor> moved;  // by memory: a tied head is the embedding
  for (const auto& [name, weight] : named_weights(whole)) {
    // Of what no layer has only the tables are read by layers, and by the first what comes before it.
    const bool stacked = !is_table(name) && place_in(whole, name, weight, 0).has_value();
    if (stacked) {
      const auto [from, count] = places(whole, name, weight, first, end);
      part.module.setattr(name, move(weight.narrow(0, from, count)));
    } else if (is_table(name) || first == 0) {
      at::Tensor& once = moved[weight.numel() ? weight.const_data_ptr() : nullptr];
      if (!once.defined() || !once.sizes().equals(weight.sizes())) once = move(weight);
      part.module.setattr(name, once);
    } else {
      part.module.setattr(name, at::empty({0}, weight.options()));
    }
  }
  for (const std::string name : kByLayer) {
    if (!whole.hasattr(name)) continue;
    std::vector<int64_t> values;
    if (name == "places")
      values = places_in_part(whole, first, end);
    else
      for (int64_t i = first; i < end; ++i) values.push_back(element(whole, name.c_str(), i));
    part.module.setattr(name, c10::List<int64_t>(values));
  }
  part.module.setattr("first_layer", first);
  return part;
}

}  // namespace

bool is_table(const std::string& name) {
  static const std::set<std::string> tables = {"rotary_cos", "rotary_sin", "position_bias"};
  return tables.count(name) > 0;
}

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

void split(Model& model, const std::vector<at::Device>& devices, TaskContext& context) {
  const auto parts = static_cast<int64_t>(devices.size());
  if (!model.layered() || !model.module.hasattr("first_layer"))
    throw Error("CAPABILITY", "This archive's layers cannot be told apart, so it cannot be split over devices.",
                "Build the model from its folder or GGUF file, or load it on one device.");
  const int64_t layers = model.integer("layers");
  if (parts > layers)
    throw Error("INPUT", std::to_string(parts) + " devices were given for a model of " + std::to_string(layers) + " layers.");
  // A part that stays where all is would keep all of it.
  const bool apart = std::any_of(devices.begin(), devices.end(), [](at::Device device) { return !device.is_cpu(); });
  for (int64_t p = 0; p < parts; ++p) {
    model.parts.push_back(part_of(model.module, layers * p / parts, layers * (p + 1) / parts, devices[p], apart));
    context.check();
  }
  // The first has embeddings and head too.
  model.module = model.parts.front().module;
}

}  // namespace tokenlense
