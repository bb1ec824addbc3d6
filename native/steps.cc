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
}

at::Tensor StepFunction::operator()(const at::Tensor& logits, const at::Tensor& targets) const {
  torch::jit::GraphOptimizerEnabledGuard plain(false);
  at::Tensor values = unit_->get_function("step")({logits, targets}).toTensor();
  if (values.dim() != 1 || values.size(0) != logits.size(0))
    throw Error("INPUT",
                "The step function \"" + name_ + "\" must give one value for each of " + std::to_string(logits.size(0)) + " rows.");
  return values;
}

}  // namespace tokenlense
