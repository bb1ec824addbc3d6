#pragma once
#include <map>

#include "../autograd/rules.h"
#include "../steps.h"

namespace tokenlense {

enum class Engine { automatic, ragged, batched, plain };
/// How a gradient's embedding dimension goes.
enum class Reduce { l2, sum, none };

/// What stands for the absence of information at every position.
struct Baseline {
  enum class Kind { zero, mean, ids } kind = Kind::zero;  // zero vector; mean embedding of the vocabulary; these tokens' embeddings
  std::vector<int64_t> ids;                               // one per position
};

/// Another text to set the outputs against.
struct Contrast {
  std::vector<int64_t> ids;        // its prompt and continuation
  std::vector<int64_t> positions;  // where in it each output's counterpart stands
  bool own_prefix = false;         // the attributed function reads the counterpart after the contrast's own prefix, not the output's
};

/// Forward passes with dropout, for step functions that ask how sure the model is.
struct Dropout {
  double rate = 0.1;
  int64_t passes = 5;
  uint64_t seed = 0;
};

/// What every kind of attribution is told.
struct Plan {
  std::vector<int64_t> ids;  // prompt and target
  int64_t prompt_length;     // outputs are positions prompt_length … ids.size() − 1
  std::optional<StepFunction> step;
  std::vector<StepFunction> step_scores;
  std::optional<Contrast> contrast;
  Dropout dropout;
  bool logits = false;         // give the logits before every output too
  int64_t memory_budget;       // bytes of working memory, weights not counted
  int64_t outputs_before = 0;  // where this is a part of a plan: outputs before its own
  Engine engine;

  int64_t outputs() const { return static_cast<int64_t>(ids.size()) - prompt_length; }
  int64_t rows() const { return static_cast<int64_t>(ids.size()) - 1; }  // the last token predicts nothing
  int64_t high(int64_t output) const { return prompt_length + output; }  // rows that the output depends on
  std::string output_name(int64_t output) const;
};

struct AttributionResult {
  at::Tensor scores;  // [sequence, outputs] or [sequence, outputs, …]
  std::map<std::string, at::Tensor> step_scores;
  at::Tensor logits;  // [outputs, vocabulary], where the plan asks for them
  at::Tensor deltas;  // [outputs], completeness of the method; undefined where it has none
  at::Tensor steps;   // [outputs], nodes of a path; undefined elsewhere
  Engine engine = Engine::automatic;
  double flops = 0, seconds = 0;
  int64_t planned_bytes = 0, block = 0;
};

/// Throws where values[i], of output i, is not finite.
void require_finite(const at::Tensor& per_output, const Plan& plan, const std::string& what);
/// Throws where the work needs more bytes than the budget has.
void require_memory(int64_t least, int64_t budget, const Plan& plan);

}  // namespace tokenlense
