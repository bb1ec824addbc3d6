#include "arguments.h"

#include <cmath>

#include "fields.h"

namespace tokenlense {
namespace {

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
          told && fields.flag("transposed"),
          fields.has("plus") ? fields.number("plus") : 0};
}

RotarySpec rotary_spec(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  const int64_t dimensions = fields.integer("dimensions", 2, 1 << 16);
  const auto divisors = fields.has("divisors") ? fields.numbers("divisors") : std::vector<double>();
  if (dimensions % 2 != 0 || (!divisors.empty() && static_cast<int64_t>(divisors.size()) != dimensions / 2))
    wrong(name, "for an even number of dimensions, with a divisor for each pair");
  return {dimensions, fields.number("theta", 0), divisors, fields.number("factor", 0)};
}

std::vector<int64_t> shape_of(const Fields& fields) {
  std::vector<int64_t> shape;
  fields.each("shape", [&](const Napi::Value& size, const std::string& path) {
    const double value = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
    if (value < 0 || value > 1e12 || value != std::floor(value)) wrong(path, "a size");
    shape.push_back(static_cast<int64_t>(value));
  });
  return shape;
}

at::Tensor table_of(const Fields& fields) {
  const auto shape = shape_of(fields);
  const auto values = fields.singles("values");
  if (c10::multiply_integers(shape) != static_cast<int64_t>(values.size())) wrong(fields.path("values"), "as many values as the shape has");
  return at::tensor(values, at::kFloat).view(shape);
}

at::ScalarType dtype_of(const Fields& fields) {
  const std::map<std::string, at::ScalarType> dtypes = {{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};
  return fields.has("dtype") ? one_of(fields, "dtype", dtypes) : at::kFloat;
}

WeightSpec weight_spec(const Napi::Value& value, const std::string& name) {
  const Fields fields(value, name);
  WeightSpec spec{fields.text("name"), shape_of(fields), {}, dtype_of(fields)};
  fields.each("parts", [&](const Napi::Value& part, const std::string& path) { spec.parts.push_back(weight_part(part, path)); });
  return spec;
}

std::string bytes_or_text(const Napi::Value& value, const std::string& name) {
  if (value.IsString()) return value.As<Napi::String>();
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) wrong(name, "a string or a Uint8Array");
  const Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
  return {reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength()};
}

GenerationPlan generation_plan(const Napi::Value& value) {
  const Fields fields(value, "plan");
  return {fields.ids("ids"),         fields.integer("maxNewTokens", 0), fields.number("temperature", 0),
          fields.integer("topK", 0), fields.number("topP", 0, 1),       static_cast<uint64_t>(fields.integer("seed", 0)),
          fields.ids("stopTokens")};
}

}  // namespace

std::string text_argument(const Napi::Value& value, const char* name) {
  if (!value.IsString()) wrong(name, "a string");
  return value.As<Napi::String>();
}

GemmRequest gemm_request(const Napi::Value& value) {
  const Fields fields(value, "request");
  GemmRequest request{{}, fields.number("seconds", 0)};
  fields.each("shapes", [&](const Napi::Value& shape, const std::string& path) {
    const Fields of(shape, path);
    const auto size = [&](const char* key) { return of.integer(key, 1, 1 << 20); };
    request.shapes.push_back({size("rows"), size("depth"), size("columns"), of.flag("transposed"), dtype_of(of), of.has("coarse") && of.flag("coarse")});
  });
  return request;
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
  fields.entries("texts", [&](const std::string& key, const Fields& inner) { spec.texts[key] = inner.text(key.c_str()); });
  fields.entries("lists", [&](const std::string& key, const Fields& inner) { spec.lists[key] = inner.ids(key.c_str()); });
  fields.each("rotary", [&](const Napi::Value& rotary, const std::string& path) { spec.rotary.push_back(rotary_spec(rotary, path)); });
  fields.each("tables", [&](const Napi::Value& table, const std::string& path) {
    const Fields inner(table, path);
    spec.tables[inner.text("name")] = table_of(inner);
  });
  fields.each("weights", [&](const Napi::Value& weight, const std::string& path) { spec.weights.push_back(weight_spec(weight, path)); });
  fields.entries("files", [&](const std::string& key, const Fields& inner) {
    spec.files[key] = bytes_or_text(inner.get(key.c_str()), inner.path(key.c_str()));
  });
  return spec;
}

std::vector<GenerationPlan> generation_plans(const Napi::Value& value) { return plans_of(value, generation_plan); }

}  // namespace tokenlense
