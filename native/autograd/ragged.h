#pragma once
#include <memory>
#include <vector>

#include "../pch.h"
#include "rules.h"

// Ragged vector-Jacobian products.
//
// With a causal model the cotangent of the output at position p is zero at every row after p. So the cotangents of many
// outputs are kept *packed*: one matrix whose rows are the live rows only, output after output. A linear layer does not
// care which row belongs to whom; the other ops read their saved activations by (sequence, position). Against a batch
// of full-length cotangents this computes exactly the rows that are not zero, from one forward pass over the whole
// sequence, and it works inside torch's own autograd graph: the TorchScript interpreter records our nodes, and a walk
// over that graph (instead of torch's engine, which insists on full shapes) runs them.

namespace tokenlense {

/// Rows [low, high) of one sequence, as one output's cotangent; `offset` is its first row in the packed matrix. Rows before `floor` are
/// not wanted, however far back a node could reach.
struct Segment {
  int64_t sequence;
  int64_t output;
  int64_t low;
  int64_t high;
  int64_t floor = 0;
  int64_t offset = 0;
  int64_t rows() const { return high - low; }
};

/// Segments one after the other.
struct Layout {
  std::vector<Segment> segments;
  int64_t rows = 0;

  explicit Layout(std::vector<Segment> list);
  bool operator==(const Layout& other) const;
};

struct Cotangent {
  at::Tensor rows;  // [layout->rows, width]
  std::shared_ptr<const Layout> layout;

  bool defined() const { return rows.defined(); }
};

/// Packed rows → [segments, length, width], zero elsewhere; and back.
at::Tensor pad(const Cotangent& packed, int64_t length);
Cotangent unpad(const at::Tensor& padded, std::shared_ptr<const Layout> layout);

/// A node of one differentiable input, x [batch, length, width] → y [batch, length, width'], with frozen weights.
/// Row i of its input gradient depends on rows ≥ i of the cotangent only (causality); all ops but attention on row i only.
class RaggedNode : public torch::autograd::Node {
 public:
  /// The input's cotangent for packed cotangents of the output. Where `residual` is given it has the result's layout and
  /// is added to the result. May write into g.rows if nobody else holds it.
  /// This default pads and calls `dense`: right on any device and dtype, and the twin of the fast kernels.
  virtual Cotangent ragged(Cotangent g, const Cotangent* residual);

  /// The same on full shapes: cotangent [..., batch, length, width'] → [..., batch, length, width]. Where the node saved pairs (DeepLIFT)
  /// the baselines' half of a cotangent is taken for zero, and so is their gradient.
  at::Tensor dense(const at::Tensor& g) { return pairs_ ? with_zero_half(product(input_half(g))) : product(g); }

  /// True where ragged() accepts a residual of the cotangent's own layout.
  virtual bool joins_residual() const { return false; }

  /// Layout of the input's cotangent, given the output's.
  virtual std::shared_ptr<const Layout> input_layout(std::shared_ptr<const Layout> layout) const { return layout; }

  /// Bytes of activations that this node keeps alive.
  virtual int64_t saved_bytes() const { return 0; }

  /// What several ragged() calls share is built by the first of them: its bytes, and an end to it.
  virtual int64_t shared_bytes() const { return 0; }
  virtual void drop_shared() {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override { return {dense(grads[0])}; }

 protected:
  /// The node's product with a cotangent of as many sequences as it saved, in plain ATen, so that it also runs under functorch's batching.
  virtual at::Tensor product(const at::Tensor& g) = 0;

  int64_t length_ = 0;  // set by the op: rows of one sequence
  bool pairs_ = false;  // set by the op: what is saved stands for pairs of sequences
};

/// Puts `node` between y and x when gradients are recorded.
template <class N, class... Args>
void record(const at::Tensor& y, const at::Tensor& x, Args&&... args) {
  auto node = c10::make_intrusive<N>(std::forward<Args>(args)...);
  node->set_next_edges(torch::autograd::collect_next_edges(x));
  torch::autograd::set_history(y, node);
}
inline bool recording(const at::Tensor& x) { return at::GradMode::is_enabled() && x.requires_grad(); }

/// A piece of the model between two detached tensors: `input` is a leaf that requires gradients.
struct Stage {
  at::Tensor input;   // [batch, length, width]
  at::Tensor output;  // [batch, length, width]
};

/// True where every node between output and input can run packed.
bool can_run_ragged(const Stage& stage);

/// Sees each of our nodes with the cotangent of its output, before it runs.
using WalkTap = std::function<void(RaggedNode& node, const Cotangent& g)>;

/// Cotangents of stage.output → cotangents of stage.input. Only where can_run_ragged.
Cotangent walk(const Stage& stage, Cotangent top, const WalkTap& tap = nullptr);

/// Bytes of activations that the stage's graph keeps alive: exact where it can run packed, a guess by its nodes' outputs elsewhere.
int64_t saved_bytes(const Stage& stage);

/// Bytes that the nodes of the stage share between walks, and an end to them.
int64_t shared_bytes(const Stage& stage);
void drop_shared(const Stage& stage);

}  // namespace tokenlense
