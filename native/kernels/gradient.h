#pragma once
#include <map>

#include "../model.h"
#include "../steps.h"

namespace tokenlense {

enum class Engine { automatic, ragged, batched, plain };
enum class Reduce { l2, sum, none };

/// Gradients of a step function at each output with respect to the input embeddings of its prefix.
struct GradientPlan {
  std::vector<int64_t> ids;  // prompt and target
  int64_t prompt_length;     // outputs are positions prompt_length … ids.size() − 1
  std::optional<StepFunction> step;
  std::vector<StepFunction> step_scores;
  bool multiply_by_input;
  Reduce reduce;
  int64_t memory_budget;  // bytes of working memory, weights not counted
  Engine engine;

  int64_t outputs() const { return static_cast<int64_t>(ids.size()) - prompt_length; }
  int64_t rows() const { return static_cast<int64_t>(ids.size()) - 1; }  // the last token predicts nothing
};

struct GradientResult {
  at::Tensor scores;  // [sequence, outputs] or [sequence, outputs, width]
  std::map<std::string, at::Tensor> step_scores;
  Engine engine;
  double flops = 0, seconds = 0;
  int64_t planned_bytes = 0, block = 0;
};

GradientResult attribute_gradient(const Model& model, const GradientPlan& plan, TaskContext& context);

}  // namespace tokenlense
