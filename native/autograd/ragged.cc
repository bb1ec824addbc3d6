#include "ragged.h"

#include <torch/csrc/autograd/functions/accumulate_grad.h>
#include <torch/csrc/autograd/generated/Functions.h>

#include <algorithm>
#include <map>
#include <unordered_set>

#include "../error.h"

namespace tokenlense {

using torch::autograd::AccumulateGrad;
using torch::autograd::Node;
using torch::autograd::generated::AddBackward0;

Layout::Layout(std::vector<Segment> list) : segments(std::move(list)) {
  for (auto& segment : segments) {
    segment.offset = rows;
    rows += segment.rows();
  }
}

bool Layout::operator==(const Layout& other) const {
  return std::equal(segments.begin(), segments.end(), other.segments.begin(), other.segments.end(), [](const Segment& a, const Segment& b) {
    return a.sequence == b.sequence && a.output == b.output && a.low == b.low && a.high == b.high;
  });
}

at::Tensor pad(const Cotangent& packed, int64_t length) {
  const auto& segments = packed.layout->segments;
  at::Tensor padded = at::zeros({static_cast<int64_t>(segments.size()), length, packed.rows.size(1)}, packed.rows.options());
  for (size_t s = 0; s < segments.size(); ++s)
    padded[s].narrow(0, segments[s].low, segments[s].rows()).copy_(packed.rows.narrow(0, segments[s].offset, segments[s].rows()));
  return padded;
}

Cotangent unpad(const at::Tensor& padded, std::shared_ptr<const Layout> layout) {
  at::Tensor rows = at::empty({layout->rows, padded.size(-1)}, padded.options());
  for (size_t s = 0; s < layout->segments.size(); ++s) {
    const auto& segment = layout->segments[s];
    rows.narrow(0, segment.offset, segment.rows()).copy_(padded[s].narrow(0, segment.low, segment.rows()));
  }
  return {rows, std::move(layout)};
}

Cotangent RaggedNode::ragged(Cotangent g, const Cotangent* residual) {
  auto layout = input_layout(g.layout);
  const at::Tensor padded = pad(g, length_);
  const int64_t batch = input_metadata(0).shape_as_dim_vector()[0].expect_int();
  at::Tensor result;
  if (batch == 1) {
    result = dense(padded.unsqueeze(1)).squeeze(1);
  } else {
    // One full-batch cotangent per segment, zero but in its own sequence.
    at::Tensor full = at::zeros({padded.size(0), batch, length_, padded.size(2)}, padded.options());
    for (size_t s = 0; s < g.layout->segments.size(); ++s) full[s][g.layout->segments[s].sequence].copy_(padded[s]);
    full = dense(full);
    result = at::empty({padded.size(0), length_, full.size(3)}, full.options());
    for (size_t s = 0; s < g.layout->segments.size(); ++s) result[s].copy_(full[s][g.layout->segments[s].sequence]);
  }
  Cotangent out = unpad(result, std::move(layout));
  if (residual) out.rows.add_(residual->rows);
  return out;
}

namespace {

// A residual join: both summands have the sum's shape and weight one, so the cotangent passes to both untouched.
bool is_plain_add(Node* node) {
  auto* add = dynamic_cast<AddBackward0*>(node);
  if (!add || !add->alpha.equal(1)) return false;
  const auto own = add->input_metadata(0).shape_as_dim_vector();
  for (const auto& edge : add->next_edges())
    if (edge.is_valid() && edge.function->input_metadata(edge.input_nr).shape_as_dim_vector() != own) return false;
  return true;
}

template <class Visit>
bool every_node(const Stage& stage, Visit visit) {
  std::vector<Node*> open = {stage.output.grad_fn().get()};
  std::unordered_set<Node*> seen;
  while (!open.empty()) {
    Node* node = open.back();
    open.pop_back();
    if (!node || !seen.insert(node).second) continue;
    if (!visit(node)) return false;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return true;
}

void add_into(Cotangent& sum, const Cotangent& part) {
  if (*sum.layout == *part.layout) {
    sum.rows = sum.rows + part.rows;
    return;
  }
  // Layouts list the same outputs in the same order; one of the two covers the other's rows.
  const bool sum_is_larger = sum.layout->rows >= part.layout->rows;
  const Cotangent &larger = sum_is_larger ? sum : part, &smaller = sum_is_larger ? part : sum;
  at::Tensor rows = larger.rows.clone();
  for (size_t s = 0; s < larger.layout->segments.size(); ++s) {
    const auto &outer = larger.layout->segments[s], &inner = smaller.layout->segments[s];
    TORCH_INTERNAL_ASSERT(outer.low <= inner.low && inner.high <= outer.high && outer.output == inner.output);
    rows.narrow(0, outer.offset + inner.low - outer.low, inner.rows()).add_(smaller.rows.narrow(0, inner.offset, inner.rows()));
  }
  sum = {rows, larger.layout};
}

}  // namespace

bool can_run_ragged(const Stage& stage) {
  if (!stage.output.grad_fn()) return false;
  return every_node(stage, [&](Node* node) {
    if (auto* leaf = dynamic_cast<AccumulateGrad*>(node)) return leaf->variable.is_same(stage.input);
    return dynamic_cast<RaggedNode*>(node) != nullptr || is_plain_add(node);
  });
}

Cotangent walk(const Stage& stage, Cotangent top, const WalkTap& tap) {
  // Later nodes have higher sequence numbers, so the map's order is a topological one; the leaf's is the highest and is kept apart.
  struct Pending {
    Node* node;
    Cotangent cotangent;
  };
  std::map<uint64_t, Pending, std::greater<>> pending;
  Cotangent leaf;

  auto slot = [&](const torch::autograd::Edge& edge) -> Cotangent& {
    Node* node = edge.function.get();
    if (dynamic_cast<AccumulateGrad*>(node)) return leaf;
    return pending.try_emplace(node->sequence_nr(), Pending{node, {}}).first->second.cotangent;
  };
  auto deliver = [&](const torch::autograd::Edge& edge, Cotangent part) {
    Cotangent& sum = slot(edge);
    if (sum.defined())
      add_into(sum, part);
    else
      sum = std::move(part);
  };

  deliver({stage.output.grad_fn(), 0}, std::move(top));
  while (!pending.empty()) {
    Pending entry = std::move(pending.begin()->second);
    pending.erase(pending.begin());
    if (auto* node = dynamic_cast<RaggedNode*>(entry.node)) {
      if (tap) tap(*node, entry.cotangent);
      const auto& edge = node->next_edges()[0];
      Cotangent& sum = slot(edge);
      if (sum.defined() && node->joins_residual() && *sum.layout == *entry.cotangent.layout)
        sum = node->ragged(std::move(entry.cotangent), &sum);
      else
        deliver(edge, node->ragged(std::move(entry.cotangent), nullptr));
    } else {
      for (const auto& edge : entry.node->next_edges())
        if (edge.is_valid()) deliver(edge, entry.cotangent);
    }
  }
  return leaf;
}

int64_t saved_bytes(const Stage& stage) {
  int64_t bytes = static_cast<int64_t>(stage.input.nbytes());
  every_node(stage, [&](Node* node) {
    if (auto* ragged = dynamic_cast<RaggedNode*>(node)) {
      bytes += ragged->saved_bytes();
    } else if (node->num_inputs() > 0 && !dynamic_cast<AccumulateGrad*>(node) && !is_plain_add(node)) {
      const auto& output = node->input_metadata(0);
      int64_t count = 1;
      for (const auto& size : output.shape_as_dim_vector()) count *= size.expect_int();
      bytes += count * static_cast<int64_t>(output.dtype().itemsize());
    }
    return true;
  });
  return bytes;
}

int64_t shared_bytes(const Stage& stage) {
  int64_t bytes = 0;
  every_node(stage, [&](Node* node) {
    if (auto* ragged = dynamic_cast<RaggedNode*>(node)) bytes += ragged->shared_bytes();
    return true;
  });
  return bytes;
}

void drop_shared(const Stage& stage) {
  every_node(stage, [](Node* node) {
    if (auto* ragged = dynamic_cast<RaggedNode*>(node)) ragged->drop_shared();
    return true;
  });
}

}  // namespace tokenlense
