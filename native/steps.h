#pragma once
#include "pch.h"

namespace tokenlense {

/// What a step function may ask for, row by row for n outputs. Undefined where nobody asked.
struct StepInputs {
  at::Tensor logits;            // [n, vocabulary], before each output
  at::Tensor targets;           // [n] int64, its token
  at::Tensor contrast_logits;   // [n, vocabulary], before the contrast's token
  at::Tensor contrast_targets;  // [n] int64
  at::Tensor noisy;             // [n, k], the target's probability in k passes with dropout
};

/// A step function in TorchScript: `def step(logits: Tensor, targets: Tensor) -> Tensor`, [n, vocabulary] and [n] to [n], row by row. It
/// may also ask for `contrast_logits`, `contrast_targets` and `noisy`, by these names and in this order.
class StepFunction {
 public:
  StepFunction(std::string name, const std::string& source);
  const std::string& name() const { return name_; }
  bool asks_for(const std::string& argument) const;
  bool contrastive() const { return asks_for("contrast_logits") || asks_for("contrast_targets"); }
  at::Tensor operator()(const StepInputs& inputs) const;

 private:
  std::string name_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  std::vector<std::string> arguments_;
};

}  // namespace tokenlense
