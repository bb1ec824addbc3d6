#include "arguments.h"

#include <cmath>

#include "error.h"

namespace tokenlense {
namespace {

[[noreturn]] void wrong(const std::string& name, const char* wanted) { throw Error("INPUT", name + " must be " + wanted + "."); }

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

  bool flag(const char* key) const {
    const Napi::Value value = get(key);
    if (!value.IsBoolean()) wrong(path(key), "true or false");
    return value.As<Napi::Boolean>();
  }

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
  std::string name_;
  Napi::Object object_;
};

StepFunction step_function(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  return StepFunction(fields.text("name"), fields.text("source"));
}

WeightPart weight_part(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  const bool permuted = !fields.get("unpermuteHeads").IsUndefined();
  const bool told = !fields.get("transposed").IsUndefined();
  return {fields.text("file"),
          fields.integer("offset", 0),
          fields.text("encoding"),
          fields.integer("rows", 0),
          fields.integer("columns", 0),
          permuted ? fields.integer("unpermuteHeads", 1) : 0,
          told && fields.flag("transposed")};
}

WeightSpec weight_spec(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  WeightSpec spec{fields.text("name"), {}, {}};
  fields.each("shape", [&](const Napi::Value& size, const std::string& path) {
    const double value = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
    if (value < 0 || value > 1e12 || value != std::floor(value)) wrong(path, "a size");
    spec.shape.push_back(static_cast<int64_t>(value));
  });
  fields.each("parts", [&](const Napi::Value& part, const std::string& path) { spec.parts.push_back(weight_part(part, path)); });
  return spec;
}

std::string bytes_or_text(const Napi::Value& value, const std::string& name) {
  if (value.IsString()) return value.As<Napi::String>();
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) wrong(name, "a string or a Uint8Array");
  const Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength()};
}

template <class T>
T one_of(const Fields& fields, const char* key, const std::map<std::string, T>& choices) {
  const auto found = choices.find(fields.text(key));
  if (found != choices.end()) return found->second;
  std::string names;
  for (const auto& [name, _] : choices) names += (names.empty() ? "" : ", ") + name;
  throw Error("INPUT", fields.path(key) + " must be one of " + names + ".");
}

}  // namespace

std::string text_argument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) wrong(name, "a string");
  return value.As<Napi::String>();
}

ArchiveSpec archive_spec(const Napi::Value& value) {
  const Fields fields(value, "spec");
  ArchiveSpec spec;
  spec.output = fields.text("output");
  spec.source = fields.text("source");
  fields.entries("integers", [&](const std::string& key, const Fields& inner) {
    spec.integers[key] = inner.integer(key.c_str(), -(int64_t{1} << 53));
  });
  fields.entries("floats", [&](const std::string& key, const Fields& inner) { spec.floats[key] = inner.number(key.c_str()); });
  fields.each("weights", [&](const Napi::Value& weight, const std::string& path) { spec.weights.push_back(weight_spec(weight, path)); });
  fields.entries("files", [&](const std::string& key, const Fields& inner) {
    spec.files[key] = bytes_or_text(inner.get(key.c_str()), inner.path(key.c_str()));
  });
  return spec;
}

GradientPlan gradient_plan(const Napi::Value& value) {
  const Fields fields(value, "plan");
  GradientPlan plan;
  plan.ids = fields.ids("ids");
  plan.prompt_length = fields.integer("promptLength", 0);
  plan.step = step_function(fields.get("step"), "plan.step");
  fields.each("stepScores",
              [&](const Napi::Value& score, const std::string& path) { plan.step_scores.push_back(step_function(score, path)); });
  plan.multiply_by_input = fields.flag("multiplyByInput");
  plan.reduce = one_of<Reduce>(fields, "reduce", {{"l2", Reduce::l2}, {"sum", Reduce::sum}, {"none", Reduce::none}});
  plan.memory_budget = fields.integer("memoryBudget", 1);
  plan.engine = one_of<Engine>(
      fields, "engine", {{"auto", Engine::automatic}, {"ragged", Engine::ragged}, {"batched", Engine::batched}, {"plain", Engine::plain}});
  return plan;
}

GenerationPlan generation_plan(const Napi::Value& value) {
  const Fields fields(value, "plan");
  return {fields.ids("ids"),         fields.integer("maxNewTokens", 0), fields.number("temperature", 0),
          fields.integer("topK", 0), fields.number("topP", 0, 1),       static_cast<uint64_t>(fields.integer("seed", 0)),
          fields.ids("stopTokens")};
}

}  // namespace tokenlense
