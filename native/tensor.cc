#include "tensor.h"

#include <cstring>

#include "addon.h"
#include "error.h"
#include "task.h"

namespace tokenlense {
namespace {

const char* name_of(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    default:
      throw Error("NATIVE", std::string("A tensor of type ") + c10::toString(type) + " has no JavaScript form.");
  }
}

at::ScalarType type_of(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array:
      return at::kFloat;
    case napi_bigint64_array:
      return at::kLong;
    case napi_int32_array:
      return at::kInt;
    case napi_uint16_array:
      return at::kHalf;
    default:
      throw Error("INPUT", "A tensor takes a Float32Array, BigInt64Array, Int32Array, or Uint16Array (float16 bits).");
  }
}

// The array buffer shares the tensor's memory where the runtime allows external buffers (Node), and is a copy where not (Electron).
Napi::Value buffer_of(Napi::Env env, const at::Tensor& tensor) {
  const size_t bytes = tensor.nbytes();
#ifndef NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED
  if (bytes > 0) {
    napi_value buffer;
    auto* owner = new at::Tensor(tensor);
    const auto free_owner = [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); };
    if (napi_create_external_arraybuffer(env, tensor.data_ptr(), bytes, free_owner, owner, &buffer) == napi_ok) return {env, buffer};
    delete owner;
  }
#endif
  Napi::ArrayBuffer copy = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(copy.Data(), tensor.data_ptr(), bytes);
  return copy;
}

}  // namespace

Napi::Function TensorHandle::define(Napi::Env env) {
  Napi::Function type = DefineClass(env, "Tensor",
                                    {
                                        InstanceAccessor<&TensorHandle::dtype>("dtype"),
                                        InstanceAccessor<&TensorHandle::shape>("shape"),
                                        InstanceAccessor<&TensorHandle::device>("device"),
                                        InstanceMethod<&TensorHandle::data>("data"),
                                        InstanceMethod<&TensorHandle::dispose>("dispose"),
                                    });
  return type;
}

Napi::Object TensorHandle::wrap(Napi::Env env, at::Tensor tensor) {
  Napi::Object object = Addon::of(env).tensor_type.New({});
  Napi::ObjectWrap<TensorHandle>::Unwrap(object)->hold(env, tensor.contiguous());
  return object;
}

TensorHandle::TensorHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TensorHandle>(info) {
  Napi::Env env = info.Env();
  if (info.Length() == 0) return;  // wrap() fills it
  guarded(env, [&] {
    if (!info[0].IsTypedArray() || !info[1].IsArray())
      throw Error("INPUT", "new Tensor(data, shape) takes a typed array and an array of sizes.");
    Napi::TypedArray array = info[0].As<Napi::TypedArray>();
    Napi::Array sizes = info[1].As<Napi::Array>();
    std::vector<int64_t> shape;
    int64_t count = 1;
    for (uint32_t i = 0; i < sizes.Length(); ++i) {
      const Napi::Value size = sizes.Get(i);
      const double value = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
      if (!(value >= 0 && value <= 9e15) || value != static_cast<double>(static_cast<int64_t>(value)))
        throw Error("INPUT", "Each size of a shape is a whole number of 0 or more.");
      shape.push_back(static_cast<int64_t>(value));
      if (__builtin_mul_overflow(count, shape.back(), &count)) throw Error("INPUT", "The shape is too large.");
    }
    if (count != static_cast<int64_t>(array.ElementLength()))
      throw Error("INPUT", "The shape holds " + std::to_string(count) + " values, the data " + std::to_string(array.ElementLength()) + ".");
    at::Tensor tensor = at::empty(shape, type_of(array.TypedArrayType()));
    if (count > 0) std::memcpy(tensor.data_ptr(), static_cast<char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), tensor.nbytes());
    hold(env, std::move(tensor));
  });
}

void TensorHandle::hold(Napi::Env env, at::Tensor tensor) {
  tensor_ = std::move(tensor);
  accounted_ = static_cast<int64_t>(tensor_.nbytes());
  Napi::MemoryManagement::AdjustExternalMemory(env, accounted_);
}

const at::Tensor& TensorHandle::tensor(Napi::Env env) const {
  if (!tensor_.defined()) throw to_js_error(env, std::make_exception_ptr(Error("DISPOSED", "This tensor was disposed of.")));
  return tensor_;
}

Napi::Value TensorHandle::dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), name_of(tensor(info.Env()).scalar_type())); });
}

Napi::Value TensorHandle::shape(const Napi::CallbackInfo& info) {
  const auto sizes = tensor(info.Env()).sizes();
  Napi::Array shape = Napi::Array::New(info.Env(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) shape.Set(i, Napi::Number::New(info.Env(), static_cast<double>(sizes[i])));
  return shape;
}

Napi::Value TensorHandle::device(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), tensor(info.Env()).device().str());
}

Napi::Value TensorHandle::data(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (!view_.IsEmpty()) return view_.Value();
    const at::Tensor host = tensor(env).cpu();
    const auto buffer = buffer_of(env, host).As<Napi::ArrayBuffer>();
    const size_t count = host.numel();
    Napi::Object view;
    switch (host.scalar_type()) {
      case at::kFloat:
        view = Napi::Float32Array::New(env, count, buffer, 0);
        break;
      case at::kLong:
        view = Napi::BigInt64Array::New(env, count, buffer, 0);
        break;
      case at::kInt:
        view = Napi::Int32Array::New(env, count, buffer, 0);
        break;
      case at::kHalf:
      case at::kBFloat16:
        view = Napi::Uint16Array::New(env, count, buffer, 0);
        break;
      default:
        name_of(host.scalar_type());
    }
    view_ = Napi::Persistent(view);
    return view;
  });
}

void TensorHandle::dispose(const Napi::CallbackInfo& info) { release(info.Env()); }

void TensorHandle::release(Napi::Env env) {
  tensor_ = at::Tensor();
  view_.Reset();
  if (accounted_ != 0) Napi::MemoryManagement::AdjustExternalMemory(env, -accounted_);
  accounted_ = 0;
}

void TensorHandle::Finalize(Napi::Env env) { release(env); }

}  // namespace tokenlense
