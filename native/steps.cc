#include "steps.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <mutex>
#include <unordered_map>

#include "error.h"

namespace torch::jit {
TORCH_API std::shared_ptr<CompilationUnit> compile(const std::string& source);
}

namespace tokenlense {
namespace {

// The input of that name; null where there is none.
const at::Tensor* asked(const StepInputs& inputs, const std::string& name) {
  if (name == "logits") return &inputs.logits;
  if (name == "targets") return &inputs.targets;
  if (name == "contrast_logits") return &inputs.contrast_logits;
  if (name == "contrast_targets") return &inputs.contrast_targets;
  if (name == "noisy") return &inputs.noisy;
  return nullptr;
}

}  // namespace

StepFunction::StepFunction(std::string name, const std::string& source) : name_(std::move(name)) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::shared_ptr<torch::jit::CompilationUnit>> compiled;
  std::lock_guard lock(mutex);
  auto& unit = compiled[source];
  try {
    if (!unit) unit = torch::jit::compile(source);
    unit->get_function("step");
  } catch (const std::exception& error) {
    compiled.erase(source);
    throw Error("INPUT", "The step function \"" + name_ + "\" does not compile: " + error.what(),
                "It is TorchScript: def step(logits: Tensor, targets: Tensor) -> Tensor.");
  }
  unit_ = unit;
  for (const auto& argument : unit->get_function("step").getSchema().arguments()) {
    if (!asked(StepInputs(), argument.name()))
      throw Error("INPUT", "The step function \"" + name_ + "\" asks for \"" + argument.name() + "\", which no step has.",
                  "There are logits, targets, contrast_logits, contrast_targets and noisy.");
    arguments_.push_back(argument.name());
  }
}

bool StepFunction::asks_for(const std::string& argument) const {
  return std::find(arguments_.begin(), arguments_.end(), argument) != arguments_.end();
}

at::Tensor StepFunction::operator()(const StepInputs& inputs) const {
  torch::jit::GraphOptimizerEnabledGuard plain(false);
  std::vector<c10::IValue> stack;
  for (const auto& argument : arguments_) stack.emplace_back(*asked(inputs, argument));
  at::Tensor values = unit_->get_function("step")(std::move(stack)).toTensor();
  if (values.dim() != 1 || values.size(0) != inputs.targets.size(0))
    throw Error("INPUT",
                "The step function \"" + name_ + "\" must give one value for each of " + std::to_string(inputs.targets.size(0)) + " rows.");
  return values;
}

}  // namespace tokenlense
