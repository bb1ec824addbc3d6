#pragma once
#include <map>

#include "pch.h"
#include "task.h"

namespace tokenlense {

/// Layers [first, end) on a device, and a module that has these layers only, from its 0 on.
struct Part {
  int64_t first, end;
  at::Device device;
  torch::jit::Module module;
};

/// A loaded archive; shared by the JavaScript handle and the tasks that use it.
struct Model {
  torch::jit::Module module;
  std::map<std::string, std::string> files;  // extra files of the archive
  at::Device device = at::kCPU;              // of embeddings and head, and of all that goes into and comes out of the model
  std::vector<Part> parts;                   // of a model that is split by layer; else empty
  int64_t bytes = 0;                         // of weights

  bool has(const std::string& method) const { return module.find_method(method).has_value(); }
  bool layered() const { return has("layer"); }
  int64_t integer(const std::string& name) const { return module.attr(name).toInt(); }

  /// Arguments are moved to the model's device.
  at::Tensor call(const std::string& method, std::vector<c10::IValue> arguments) const;
  /// A method that takes a layer's number and x first: on the layer's device, likewise, where its result stays.
  at::Tensor call_layer(const std::string& method, int64_t layer, std::vector<c10::IValue> arguments) const;
  at::Device device_of(int64_t layer) const;
  /// "cpu"; "cuda:0,cuda:1" where the model is split.
  std::string devices() const;
  /// A text of more tokens than this has other positions (LongRoPE); 0: none has.
  int64_t long_after() const { return module.hasattr("long_after") ? integer("long_after") : 0; }
  /// Tokens in the vocabulary.
  int64_t vocabulary() const;
  /// logits of hidden rows [rows, width]: the final norm, where there is one, and the head.
  at::Tensor logits(const at::Tensor& hidden) const;
};

/// Buffers and parameters.
std::vector<std::pair<std::string, at::Tensor>> named_weights(const torch::jit::Module& module);
/// Of these; what two names share counts once.
int64_t weight_bytes(const Model& model);

/// "auto", "cpu", "cuda", "cuda:1", "mps"; several with commas between.
std::vector<at::Device> parse_devices(const std::string& names);
/// On several devices as many layers, one after another, on each; embeddings and head on the first.
std::shared_ptr<Model> load_model(const std::string& path, const std::vector<at::Device>& devices, TaskContext& context);

class ModelHandle : public Napi::ObjectWrap<ModelHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<Model> model);
  /// The model behind a JavaScript value; an Error if it is none or was disposed of.
  static std::shared_ptr<Model> of(const Napi::Value& value);

  explicit ModelHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelHandle>(info) {}
  void Finalize(Napi::Env env) override { release(env); }

 private:
  Napi::Value contract(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value file(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<Model> model() const;
  void release(Napi::Env env);
  std::shared_ptr<Model> model_;
};

}  // namespace tokenlense
