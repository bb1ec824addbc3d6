#pragma once
#include <vector>

#include "../autograd/ragged.h"
#include "../model.h"

namespace tokenlense {

/// The model from embeddings to hidden states, cut into stages (one per layer; one in all for the minimal contract). Gradient graphs are
/// kept where memory allows, else rebuilt from each stage's input when its turn comes: one more forward pass.
class StagedForward {
 public:
  /// embeddings [batch, length, width]; `graph_budget`: bytes for graphs.
  StagedForward(const Model& model, at::Tensor embeddings, int64_t graph_budget, TaskContext& context);

  int64_t count() const { return static_cast<int64_t>(inputs_.size()); }
  const at::Tensor& hidden() const { return hidden_; }  // [batch, length, width], detached
  /// The stage with its graph; recorded anew where it was not kept.
  Stage stage(int64_t i) const;
  bool ragged() const { return ragged_; }
  bool kept() const { return kept_; }
  /// Gives the graphs' memory back: from now on each is rebuilt when its turn comes.
  void drop_graphs();
  /// Bytes that the graph of one stage holds.
  int64_t stage_bytes() const { return stage_bytes_; }

 private:
  Stage record(int64_t i, const at::Tensor& input) const;
  const Model& model_;
  bool layered_;
  std::vector<at::Tensor> inputs_;
  std::vector<Stage> stages_;  // empty unless kept_
  at::Tensor hidden_;
  bool ragged_ = true, kept_ = false;
  int64_t stage_bytes_ = 0;
};

}  // namespace tokenlense
