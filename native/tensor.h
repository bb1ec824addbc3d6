#pragma once
#include <napi.h>

#include "pch.h"

namespace tokenlense {

/// A libtorch tensor held from JavaScript.
class TensorHandle : public Napi::ObjectWrap<TensorHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, at::Tensor tensor);

  explicit TensorHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

  static constexpr bool external_buffers =
#ifdef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
      false;
#else
      true;
#endif

 private:
  const at::Tensor& tensor(Napi::Env env) const;
  void hold(Napi::Env env, at::Tensor tensor);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value data(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  void release(Napi::Env env);

  at::Tensor tensor_;
  Napi::ObjectReference view_;  // the typed array, made once: two array buffers over one address are not allowed
  int64_t accounted_ = 0;       // bytes that the garbage collector was told of
};

}  // namespace tokenlense
