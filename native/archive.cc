#include "archive.h"

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/csrc/jit/serialization/export.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "error.h"

namespace tokenlense {
namespace {

namespace jit = torch::jit;

// `torch.x` is aten::x, `ops.name.x` is name::x: the spelling that serialised TorchScript uses itself.
struct OperatorNamespaces : jit::SugaredValue {
  std::string kind() const override { return "ops"; }
  std::shared_ptr<jit::SugaredValue> attr(const jit::SourceRange&, jit::GraphFunction&, const std::string& field) override {
    return std::make_shared<jit::BuiltinModule>(field);
  }
};
struct FamilyResolver : jit::Resolver {
  std::shared_ptr<jit::SugaredValue> resolveValue(const std::string& name, jit::GraphFunction&, const jit::SourceRange&) override {
    if (name == "torch") return std::make_shared<jit::BuiltinModule>("aten");
    if (name == "ops") return std::make_shared<OperatorNamespaces>();
    return nullptr;
  }
};

at::Tensor decode(const WeightSpec& spec) {
  at::Tensor weight = at::empty(spec.shape, spec.dtype);
  const at::Tensor flat = weight.flatten();
  int64_t next = 0;
  for (const auto& part : spec.parts) {
    const int64_t values = part.rows * part.columns;
    if (part.rows < 0 || part.columns < 0 || flat.size(0) - next < values)
      throw Error("FORMAT", "The parts of " + spec.name + " are larger than its shape.");
    decode_part(part, flat.narrow(0, next, values));
    next += values;
  }
  if (next != flat.size(0)) throw Error("FORMAT", "The parts of " + spec.name + " do not fill its shape.");
  return weight;
}

// [context, dimensions / 2]. As the reference does it: frequencies and angles in float32.
at::Tensor angles(const RotarySpec& spec, int64_t context) {
  const at::Tensor exponent = at::arange(0, spec.dimensions, 2, at::kFloat) / static_cast<double>(spec.dimensions);
  at::Tensor frequency = at::reciprocal(at::pow(spec.theta, exponent));
  if (!spec.divisors.empty()) frequency = frequency / at::tensor(spec.divisors, at::kDouble).to(at::kFloat);
  return at::outer(at::arange(context, at::kFloat), frequency);
}

void register_rotary(jit::Module& module, const ArchiveSpec& spec) {
  std::vector<at::Tensor> cosines, sines;
  for (const auto& rotary : spec.rotary) {
    const at::Tensor angle = angles(rotary, spec.integers.at("context"));
    cosines.push_back(angle.cos().mul_(rotary.factor));
    sines.push_back(angle.sin().mul_(rotary.factor));
  }
  const at::Tensor none = at::empty({1, 0, 0}, at::kFloat);
  module.register_buffer("rotary_cos", cosines.empty() ? none : at::stack(cosines));
  module.register_buffer("rotary_sin", sines.empty() ? none : at::stack(sines));
}

void write(const jit::Module& module, const ArchiveSpec& spec) {
  std::ofstream out(spec.output, std::ios::binary | std::ios::trunc);
  int failure = out ? 0 : errno;
  if (!failure) {
    try {
      jit::ExtraFilesMap files(spec.files.begin(), spec.files.end());
      jit::ExportModule(
          module,
          [&](const void* bytes, size_t count) -> size_t {
            // A short count would make libtorch's writer throw from its destructor, which ends the process; the failure is kept instead.
            if (!failure) {
              errno = 0;
              if (!out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(count))) failure = errno ? errno : EIO;
            }
            return count;
          },
          files);
    } catch (const std::exception&) {
      if (!failure) throw;
    }
    errno = 0;
    out.close();
    if (!failure && !out) failure = errno ? errno : EIO;
  }
  if (failure)
    throw Error("DISK", "Writing " + spec.output + " failed: " + std::strerror(failure) + ".",
                "Free some space, or set TOKENLENSE_CACHE to a folder on a larger disk.");
}

}  // namespace

void build_archive(const ArchiveSpec& spec, TaskContext& context) {
  jit::Module module("tokenlense_model");
  int64_t done = 0;
  const auto total = static_cast<int64_t>(spec.weights.size()) + 1;
  for (const auto& weight : spec.weights) {
    module.register_buffer(weight.name, decode(weight));
    context.step(++done, total);
  }
  for (const auto& [name, value] : spec.integers) module.register_attribute(name, c10::IntType::get(), value);
  for (const auto& [name, value] : spec.floats) module.register_attribute(name, c10::FloatType::get(), value);
  for (const auto& [name, value] : spec.texts) module.register_attribute(name, c10::StringType::get(), value);
  for (const auto& [name, value] : spec.lists) module.register_attribute(name, c10::ListType::ofInts(), c10::List<int64_t>(value));
  register_rotary(module, spec);
  for (const auto& [name, table] : spec.tables) module.register_buffer(name, table);
  // A tied head is the embedding under a second name; the archive stores it once.
  if (module.hasattr("embedding") && !module.hasattr("head")) module.register_buffer("head", module.attr("embedding").toTensor());
  module.define(spec.source, std::make_shared<FamilyResolver>());
  write(module, spec);
  context.step(total, total);
}

}  // namespace tokenlense
