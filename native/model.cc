#include "model.h"

#include <torch/csrc/jit/runtime/graph_executor.h>

#include <filesystem>
#include <unordered_set>

#include "addon.h"
#include "arguments.h"
#include "error.h"

namespace tokenlense {
namespace {

constexpr std::array<const char*, 3> kFiles = {"tokenlense/contract.json", "tokenlense/tokenizer.json", "tokenlense/tokenizer_config.json"};

}  // namespace

int64_t weight_bytes(const torch::jit::Module& module) {
  std::unordered_set<const void*> seen;  // a tied head counts once
  int64_t bytes = 0;
  auto add = [&](const at::Tensor& tensor) {
    if (seen.insert(tensor.storage().unsafeGetStorageImpl()).second) bytes += static_cast<int64_t>(tensor.storage().nbytes());
  };
  for (const auto& tensor : module.buffers()) add(tensor);
  for (const auto& tensor : module.parameters()) add(tensor);
  return bytes;
}

at::Tensor Model::call(const std::string& method, std::vector<c10::IValue> arguments) const {
  // No fusion or profiling: the interpreter must leave the autograd graph as the source says.
  torch::jit::GraphOptimizerEnabledGuard plain(false);
  return module.get_method(method)(std::move(arguments)).toTensor();
}

at::Tensor Model::logits(const at::Tensor& hidden) const { return call("logits", {has("final") ? call("final", {hidden}) : hidden}); }

int64_t Model::vocabulary() const {
  if (module.hasattr("vocabulary")) return integer("vocabulary");
  const at::Tensor embedded = call("embed", {at::zeros({1, 1}, at::TensorOptions().dtype(at::kLong).device(device))});
  return logits(embedded[0]).size(1);
}

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

std::shared_ptr<Model> load_model(const std::string& path, at::Device device, TaskContext& context) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing)) throw Error("FILE", "There is no model archive at " + path + ".");
  auto model = std::make_shared<Model>();
  torch::jit::ExtraFilesMap files;
  for (const char* name : kFiles) files[name] = "";
  try {
    model->module = torch::jit::load(path, device, files);
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
  model->device = device;
  model->bytes = weight_bytes(model->module);
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
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), model()->device.str()); });
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
