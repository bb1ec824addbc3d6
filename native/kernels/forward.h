#pragma once
#include <vector>

#include "../autograd/ragged.h"
#include "../model.h"
#include "plan.h"

namespace tokenlense {

/// Embeddings [1, length, width] of token ids.
at::Tensor embed(const Model& model, const std::vector<int64_t>& ids);
/// What stands at `length` positions for no information: [1, length, width].
at::Tensor embed_baseline(const Model& model, const Baseline& baseline, int64_t length);

/// Stages of the model: its layers, or one in all for the minimal contract.
int64_t stage_count(const Model& model);
at::Device stage_device(const Model& model, int64_t stage);
/// x [batch, length, width] through one stage, whose device the result stays on, or through stages [from, to). Where a graph is recorded
/// it goes by current_rules().
at::Tensor through_stage(const Model& model, int64_t stage, const at::Tensor& x);
at::Tensor through_stages(const Model& model, at::Tensor x, int64_t from, int64_t to, TaskContext& context);

/// Hidden states [length, width] of a text, each as the model reads the text up to it: where positions switch, in two passes.
at::Tensor hidden_states(const Model& model, const std::vector<int64_t>& ids, TaskContext& context);

/// The model from the input of one stage to hidden states, in stages. Gradient graphs are kept where memory allows, else rebuilt from each
/// stage's input when its turn comes: one more forward pass.
class StagedForward {
 public:
  /// inputs [batch, length, width] of stage `first`; `graph_budget`: bytes for graphs.
  StagedForward(const Model& model, at::Tensor inputs, int64_t first, int64_t graph_budget, Rules rules, TaskContext& context);

  /// Of stages, the first being 0 here whatever it is in the model.
  int64_t count() const { return static_cast<int64_t>(inputs_.size()); }
  int64_t first() const { return first_; }
  Rules rules() const { return rules_; }
  const at::Tensor& inputs() const { return inputs_.front(); }
  const at::Tensor& hidden() const { return hidden_; }  // [batch, length, width], detached
  /// The stage with its graph; recorded anew where it was not kept.
  Stage stage(int64_t i) const;
  bool ragged() const { return ragged_; }
  bool kept() const { return kept_; }
  /// Gives the graphs' memory back: from now on each is rebuilt when its turn comes.
  void drop_graphs();
  /// Bytes that the graph of one stage holds.
  int64_t stage_bytes() const { return stage_bytes_; }
  /// Bytes that all this holds while its stages are walked.
  int64_t bytes() const { return kept_ ? count() * stage_bytes_ : rebuilt_bytes(); }
  /// Likewise, were its graphs rebuilt in turn.
  int64_t rebuilt_bytes() const { return count() * static_cast<int64_t>(inputs().nbytes()) + stage_bytes_; }

 private:
  Stage record(int64_t i, const at::Tensor& input) const;
  const Model& model_;
  int64_t first_;
  Rules rules_;
  std::vector<at::Tensor> inputs_;
  std::vector<Stage> stages_;  // empty unless kept_
  at::Tensor hidden_;
  bool ragged_ = true, kept_ = false;
  int64_t stage_bytes_ = 0;
};

}  // namespace tokenlense
