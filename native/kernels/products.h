#pragma once
#include "forward.h"
#include "progress.h"

namespace tokenlense {

/// A cotangent that enters at row `position` of a sequence's hidden states. Its product has rows floor … position of the stage's input;
/// rows before `floor` are not asked for, and not computed.
struct Target {
  int64_t sequence, output, position, floor = 0;
  int64_t rows() const { return position + 1 - floor; }
};

/// Work that `targets` make in `stages` stages, in Progress' units.
int64_t work_of(const std::vector<Target>& targets, int64_t stages);

/// One for every output, in a batch of the plan's one sequence.
std::vector<Target> every_target(const Plan& plan);

struct ProductsBudget {
  const Plan& plan;  // its memory budget is for everything that this run holds
  int64_t reserved;  // of that, held by the caller beside the forward pass
};

struct ProductsReport {
  Engine engine;
  int64_t planned_bytes, block;
};

/// The least that products of targets of so many rows take beside what the caller holds, with graphs rebuilt in turn.
int64_t least_bytes(const StagedForward& forward, int64_t rows);

/// Gets rows floor … position of one target's product.
using ProductSink = std::function<void(const Target&, const at::Tensor& rows)>;

/// Sees a node of the forward pass's stage with the packed cotangent that comes to it; a segment's `output` is the target's index.
using ProductTap = std::function<void(int64_t stage, RaggedNode& node, const Cotangent& g)>;

/// Vector-Jacobian products of hidden states by the forward pass's inputs: cotangents [targets, width], in the order of `targets`, which
/// come sequence by sequence. Layer by layer, all targets of a block through one layer before the next: what a layer saved is then used
/// while it is in the cache, and only one layer's attention probabilities exist at a time. Graphs that the forward pass kept are dropped
/// where the budget leaves too little beside them.
ProductsReport products(const Model& model, StagedForward& forward, const std::vector<Target>& targets, const at::Tensor& cotangents,
                        const ProductsBudget& budget, Progress& progress, const ProductSink& sink, const ProductTap& tap = nullptr);

}  // namespace tokenlense
