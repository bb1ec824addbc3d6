#pragma once
#include "pch.h"

namespace tokenlense {

/// A step function in TorchScript: `def step(logits: Tensor, targets: Tensor) -> Tensor`, [n, vocabulary] and [n] to [n], row by row.
class StepFunction {
 public:
  StepFunction(std::string name, const std::string& source);
  const std::string& name() const { return name_; }
  at::Tensor operator()(const at::Tensor& logits, const at::Tensor& targets) const;

 private:
  std::string name_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
};

}  // namespace tokenlense
