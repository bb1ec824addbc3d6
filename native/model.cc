#include "model.h"

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <unordered_set>

#include "addon.h"
#include "arguments.h"
#include "error.h"
#include "split.h"

namespace tokenlense {
namespace {

constexpr std::array<const char*, 3> kFiles = {"tokenlense/contract.json", "tokenlense/tokenizer.json", "tokenlense/tokenizer_config.json"};

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> named_weights(const torch::jit::Module& module) {
  std::vector<std::pair<std::string, at::Tensor>> weights;
  for (const auto& weight : module.named_buffers()) weights.emplace_back(weight.name, weight.value);
  for (const auto& weight : module.named_parameters()) weights.emplace_back(weight.name, weight.value);
  return weights;
}

int64_t weight_bytes(const Model& model) {
  std::unordered_set<const void*> seen;  // a tied head counts once
  int64_t bytes = 0;
  const auto add = [&](const torch::jit::Module& module) {
    for (const auto& [name, tensor] : named_weights(module))
      if (seen.insert(tensor.storage().unsafeGetStorageImpl()).second) bytes += static_cast<int64_t>(tensor.storage().nbytes());
  };
  add(model.module);
  for (const auto& part : model.parts) add(part.module);
  return bytes;
}

namespace {

at::Tensor run(const torch::jit::Module& module, at::Device device, const std::string& method, std::vector<c10::IValue> arguments) {
  // No fusion or profiling: the interpreter must leave the autograd graph as the source says.
  torch::jit::GraphOptimizerEnabledGuard plain(false);
  for (auto& argument : arguments)
    if (argument.isTensor()) argument = argument.toTensor().to(device);
  return module.get_method(method)(std::move(arguments)).toTensor();
}

// None where the model is not split.
const Part* part_of(const Model& model, int64_t layer) {
  const auto part = std::find_if(model.parts.begin(), model.parts.end(), [&](const Part& part) { return layer < part.end; });
  return part == model.parts.end() ? nullptr : &*part;
}

}  // namespace

at::Tensor Model::call(const std::string& method, std::vector<c10::IValue> arguments) const {
  return run(module, device, method, std::move(arguments));
}

at::Tensor Model::call_layer(const std::string& method, int64_t layer, std::vector<c10::IValue> arguments) const {
  const Part* part = part_of(*this, layer);
  arguments.insert(arguments.begin(), part ? layer - part->first : layer);
  return part ? run(part->module, part->device, method, std::move(arguments)) : call(method, std::move(arguments));
}

at::Device Model::device_of(int64_t layer) const {
  const Part* part = part_of(*this, layer);
  return part ? part->device : device;
}

std::string Model::devices() const {
  if (parts.empty()) return device.str();
  std::string names;
  for (const auto& part : parts) names += (names.empty() ? "" : ",") + part.device.str();
  return names;
}

at::Tensor Model::logits(const at::Tensor& hidden) const { return call("logits", {has("final") ? call("final", {hidden}) : hidden}); }

int64_t Model::vocabulary() const {
  if (module.hasattr("vocabulary")) return integer("vocabulary");
  const at::Tensor embedded = call("embed", {at::zeros({1, 1}, at::kLong)});
  return logits(embedded[0]).size(1);
}

namespace {

at::Device parse_device(const std::string& name) {
  if (name == "auto") return at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  try {
    const at::Device device(name);
    if (device.is_cuda() && !at::hasCUDA())
      throw Error("INPUT", "Device \"" + name + "\" was asked for, but this libtorch sees no CUDA device.",
                  "Use device \"auto\" or \"cpu\"; `tokenlense doctor` lists what there is.");
    return device;
  } catch (const c10::Error&) {
    throw Error("INPUT", "\"" + name + "\" is no device.", "Devices are \"auto\", \"cpu\", \"cuda\", \"cuda:1\", \"mps\".");
  }
}

}  // namespace

std::vector<at::Device> parse_devices(const std::string& names) {
  std::vector<at::Device> devices;
  std::istringstream list(names);
  for (std::string name; std::getline(list, name, ',');) devices.push_back(parse_device(name));
  if (devices.empty()) throw Error("INPUT", "No device was given.");
  return devices;
}

std::shared_ptr<Model> load_model(const std::string& path, const std::vector<at::Device>& devices, TaskContext& context) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing)) throw Error("FILE", "There is no model archive at " + path + ".");
  auto model = std::make_shared<Model>();
  torch::jit::ExtraFilesMap files;
  for (const char* name : kFiles) files[name] = "";
  try {
    // What will be split may be too large for any one device but this.
    model->module = torch::jit::load(path, devices.size() > 1 ? at::Device(at::kCPU) : devices.front(), files);
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    const std::string what = error.what();
    throw Error("FORMAT", path + " is no TorchScript archive that libtorch can read: " + what.substr(0, what.find('\n')),
                "If it lies in the cache of this package, delete it and run again: it will be rebuilt.");
  }
  context.check();
  for (auto& [name, text] : files)
    if (!text.empty()) model->files[name] = std::move(text);
  for (const auto& parameter : model->module.parameters()) parameter.requires_grad_(false);
  model->module.eval();
  model->device = devices.front();
  if (devices.size() > 1) split(*model, devices, context);
  model->bytes = weight_bytes(*model);
  return model;
}

// ---- the JavaScript handle ------------------------------------------------------------------------------------------

Napi::Function ModelHandle::define(Napi::Env env) {
  return DefineClass(env, "Model",
                     {
                         InstanceAccessor<&ModelHandle::contract>("contract"),
                         InstanceAccessor<&ModelHandle::device>("device"),
                         InstanceAccessor<&ModelHandle::bytes>("bytes"),
                         InstanceMethod<&ModelHandle::file>("file"),
                         InstanceMethod<&ModelHandle::dispose>("dispose"),
                     });
}

Napi::Value ModelHandle::contract(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto held = model();
    const auto found = held->files.find("tokenlense/contract.json");
    return Napi::String::New(info.Env(), found == held->files.end() ? "" : found->second);
  });
}

Napi::Value ModelHandle::device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), model()->devices()); });
}

Napi::Value ModelHandle::bytes(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(model()->bytes)); });
}

Napi::Value ModelHandle::file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto held = model();
    const auto found = held->files.find(text_argument(info[0], "name"));
    if (found == held->files.end()) return info.Env().Undefined();
    Napi::Uint8Array bytes = Napi::Uint8Array::New(info.Env(), found->second.size());
    std::copy(found->second.begin(), found->second.end(), bytes.Data());
    return bytes;
  });
}

void ModelHandle::dispose(const Napi::CallbackInfo& info) { release(info.Env()); }

Napi::Object ModelHandle::wrap(Napi::Env env, std::shared_ptr<Model> model) {
  Napi::Object object = Addon::of(env).model_type.New({});
  Napi::MemoryManagement::AdjustExternalMemory(env, model->bytes);
  Napi::ObjectWrap<ModelHandle>::Unwrap(object)->model_ = std::move(model);
  return object;
}

std::shared_ptr<Model> ModelHandle::of(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(Addon::of(value.Env()).model_type.Value()))
    throw Error("INPUT", "This argument is not a loaded model.");
  return Napi::ObjectWrap<ModelHandle>::Unwrap(value.As<Napi::Object>())->model();
}

std::shared_ptr<Model> ModelHandle::model() const {
  if (!model_) throw Error("DISPOSED", "This model was disposed of.");
  return model_;
}

void ModelHandle::release(Napi::Env env) {
  if (!model_) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -model_->bytes);
  model_.reset();
}

}  // namespace tokenlense
