#pragma once
#include <cmath>
#include <map>

#include "arguments.h"
#include "error.h"

namespace tokenlense {

[[noreturn]] inline void wrong(const std::string& name, const char* wanted) { throw Error("INPUT", name + " must be " + wanted + "."); }

// An object's fields, by name and type.
class Fields {
 public:
  Fields(const Napi::Value& value, std::string name) : name_(std::move(name)) {
    if (!value.IsObject() || value.IsFunction()) wrong(name_, "an object");
    object_ = value.As<Napi::Object>();
  }

  Napi::Value get(const char* key) const { return object_.Get(key); }
  std::string path(const char* key) const { return name_ + "." + key; }

  std::string text(const char* key) const { return text_argument(get(key), path(key).c_str()); }

  double number(const char* key, double least = -HUGE_VAL, double most = HUGE_VAL) const {
    const Napi::Value value = get(key);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (std::isnan(number) || number < least || number > most) wrong(path(key), "a number in range");
    return number;
  }

  int64_t integer(const char* key, int64_t least, int64_t most = int64_t{1} << 53) const {
    const double value = number(key, static_cast<double>(least), static_cast<double>(most));
    if (value != std::floor(value)) wrong(path(key), "a whole number");
    return static_cast<int64_t>(value);
  }

  bool has(const char* key) const { return !get(key).IsUndefined(); }

  bool flag(const char* key) const {
    const Napi::Value value = get(key);
    if (!value.IsBoolean()) wrong(path(key), "true or false");
    return value.As<Napi::Boolean>();
  }

  std::vector<double> numbers(const char* key) const {
    return array<Napi::Float64Array, double>(key, napi_float64_array, "a Float64Array");
  }
  std::vector<float> singles(const char* key) const { return array<Napi::Float32Array, float>(key, napi_float32_array, "a Float32Array"); }

  std::vector<uint8_t> bytes(const char* key) const { return array<Napi::Uint8Array, uint8_t>(key, napi_uint8_array, "a Uint8Array"); }

  /// Token ids, layers, heads: whole numbers of 0 or more.
  std::vector<int64_t> ids(const char* key) const {
    const Napi::Value value = get(key);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) wrong(path(key), "an Int32Array");
    const Napi::Int32Array array = value.As<Napi::Int32Array>();
    std::vector<int64_t> ids(array.ElementLength());
    for (size_t i = 0; i < ids.size(); ++i) {
      ids[i] = array[i];
      if (ids[i] < 0) wrong(path(key), "token ids of 0 or more");
    }
    return ids;
  }

  template <class Read>
  void each(const char* key, const Read& read) const {
    const Napi::Value value = get(key);
    if (!value.IsArray()) wrong(path(key), "an array");
    const Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) read(array.Get(i), path(key) + "[" + std::to_string(i) + "]");
  }

  template <class Read>
  void entries(const char* key, const Read& read) const {
    const Fields inner(get(key), path(key));
    const Napi::Array keys = inner.object_.GetPropertyNames();
    for (uint32_t i = 0; i < keys.Length(); ++i) {
      const std::string entry = keys.Get(i).As<Napi::String>();
      read(entry, inner);
    }
  }

 private:
  template <class Array, class T>
  std::vector<T> array(const char* key, napi_typedarray_type type, const char* wanted) const {
    const Napi::Value value = get(key);
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) wrong(path(key), wanted);
    const Array array = value.As<Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
  }
  std::string name_;
  Napi::Object object_;
};

/// An array's plans, each as `read` reads it.
template <class Read>
auto plans_of(const Napi::Value& value, const Read& read) {
  if (!value.IsArray()) wrong("plans", "an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<decltype(read(value))> plans;
  for (uint32_t i = 0; i < array.Length(); ++i) plans.push_back(read(array.Get(i)));
  return plans;
}

template <class T>
T one_of(const Fields& fields, const char* key, const std::map<std::string, T>& choices) {
  const auto found = choices.find(fields.text(key));
  if (found != choices.end()) return found->second;
  std::string names;
  for (const auto& [name, _] : choices) names += (names.empty() ? "" : ", ") + name;
  throw Error("INPUT", fields.path(key) + " must be one of " + names + ".");
}

}  // namespace tokenlense
