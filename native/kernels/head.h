#pragma once
#include "../model.h"
#include "plan.h"

namespace tokenlense {

/// From hidden states to the attributed step function and back: row by row, so that one backward pass serves all outputs.
class Head {
 public:
  Head(const Model& model, const Plan& plan, TaskContext& context);

  /// Bytes of its largest intermediate.
  int64_t bytes() const { return chunk_ * row_bytes_; }

  /// hidden [n, width], row i being the one before output outputs[i] → the attributed function's values [n].
  /// `scored`, where all outputs are asked for: gets what score() would put there, from the same logits.
  at::Tensor values(const at::Tensor& hidden, const std::vector<int64_t>& outputs, AttributionResult* scored = nullptr) const;

  struct Cotangents {
    at::Tensor values;      // [n]
    at::Tensor cotangents;  // [n, width], of the hidden rows
  };
  /// By the derivative, or by a relevance method's rules. `scored` as above.
  Cotangents cotangents(const at::Tensor& hidden, const std::vector<int64_t>& outputs, Rules rules = Rules::gradient,
                        AttributionResult* scored = nullptr) const;

  /// The same of several texts, each with a head of its own.
  struct Text {
    const Head* head;
    std::vector<int64_t> outputs;
    AttributionResult* scored;
  };
  /// hidden: the rows of the first text, then those of the second, …; the weights are read once for all of a chunk.
  static Cotangents cotangents(const std::vector<Text>& texts, const at::Tensor& hidden, Rules rules);

  /// DeepLIFT's multipliers: Σ (hidden − baseline)·multiplier is the difference of the function's values, row by row.
  struct Multipliers {
    at::Tensor values, baseline_values, cotangents;
  };
  Multipliers multipliers(const at::Tensor& hidden, const at::Tensor& baseline, const std::vector<int64_t>& outputs) const;

  /// Puts the plan's step scores, [outputs] each, and its logits into the result; hidden [outputs, width].
  void score(const at::Tensor& hidden, AttributionResult& result) const;

  /// Rows of hidden [1, length, width] before the outputs.
  at::Tensor rows_before_outputs(const at::Tensor& hidden) const;

 private:
  /// Step scores and logits, chunk by chunk.
  struct Scored {
    std::map<std::string, std::vector<at::Tensor>> steps;
    std::vector<at::Tensor> logits;
    void finish(AttributionResult& result) const;
  };
  void score_chunk(const at::Tensor& logits, const std::vector<int64_t>& outputs, int64_t from, int64_t count, Scored& scored) const;

  /// What the function asks for, for outputs [from, from + count) of the list. `attributed`: with its own prefix only where the plan says
  /// so.
  StepInputs inputs(const StepFunction& step, const at::Tensor& logits, const std::vector<int64_t>& outputs, int64_t from, int64_t count,
                    bool attributed) const;
  void read_contrast();
  void read_noise();
  bool any_step(bool (*asks)(const StepFunction&)) const;
  template <class Body>
  void each_chunk(int64_t rows, const Body& body) const;
  void require_gradient(const at::Tensor& value) const;
  const Model& model_;
  const Plan& plan_;
  TaskContext& context_;
  int64_t row_bytes_, chunk_;
  at::Tensor contrast_hidden_;  // [outputs, width], before each counterpart
  at::Tensor noisy_;            // [outputs, passes]
};

/// 0, 1, … n − 1.
std::vector<int64_t> every_output(const Plan& plan);

}  // namespace tokenlense
