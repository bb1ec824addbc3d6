#include "products.h"

#include "../autograd/amx.h"
#include "../autograd/batched.h"
#include "../error.h"

namespace tokenlense {
namespace {

// Enough rows for the matrix products to run at full speed, few enough for the widest intermediate to stay in the last-level cache.
constexpr int64_t kBatchRows = 1536;
constexpr int64_t kFloat = sizeof(float);
// Of one stage's weights, made ready for the processor and kept for the next batch.
constexpr int64_t kKeptBytes = int64_t{64} << 20;

int64_t work_per_row(const StagedForward& forward) {
  return 3 * forward.stage_bytes() / (forward.inputs().size(0) * forward.inputs().size(1)) / 2;
}

int64_t one_target_bytes(const StagedForward& forward, int64_t rows) {
  return rows * (work_per_row(forward) + 2 * forward.inputs().size(2) * kFloat);
}

class Ragged {
 public:
  Ragged(StagedForward& forward, const std::vector<Target>& targets, const at::Tensor& cotangents, const ProductsBudget& budget)
      : forward_(forward), targets_(targets), cotangents_(cotangents), width_(forward.inputs().size(2)) {
    const Stage first = forward.stage(0);
    work_per_row_ = work_per_row(forward);
    int64_t largest = 0, all_rows = 0;
    for (const auto& target : targets) largest = std::max(largest, target.rows()), all_rows += target.rows();
    const int64_t bytes = budget.plan.memory_budget;
    const int64_t other = shared_bytes(first) + budget.reserved, one_target = one_target_bytes(forward, largest);
    // Graphs were kept by a share of the budget; where that leaves too little for the rest, memory goes before time.
    if (forward.kept() && forward.count() > 1 && forward.bytes() + other + one_target > bytes) forward.drop_graphs();
    const int64_t least = forward.bytes() + other + one_target;
    require_memory(least, bytes, budget.plan);
    kept_bytes_ = has_amx() && all_rows > kBatchRows ? std::min(kKeptBytes, (bytes - least) / 4) : 0;
    const int64_t fixed = forward.bytes() + other + kept_bytes_, free = bytes - fixed;
    const int64_t batch_rows = std::clamp(free / 2 / std::max<int64_t>(work_per_row_, 1), largest, std::max(kBatchRows, largest));
    // Blocks of targets whose cotangents fit in what is left; batches of a block are walked one at a time.
    const int64_t block_rows =
        std::clamp((free - batch_rows * work_per_row_) / (2 * width_ * kFloat), largest, std::max(all_rows, largest));
    int64_t in_block = block_rows, in_batch = 0;
    for (size_t t = 0; t < targets.size(); ++t) {
      const int64_t rows = targets[t].rows();
      if (in_block + rows > block_rows) blocks_.emplace_back(), in_block = 0, in_batch = batch_rows;
      if (in_batch + rows > batch_rows) blocks_.back().push_back({t, t}), in_batch = 0;
      blocks_.back().back().end = t + 1;
      in_block += rows, in_batch += rows;
    }
    report_ = {Engine::ragged, fixed + batch_rows * work_per_row_ + block_rows * 2 * width_ * kFloat,
               static_cast<int64_t>(blocks_.front().front().end)};
  }

  ProductsReport run(Progress& progress, const ProductSink& sink, const ProductTap& tap) const {
    KeptTiles weights(kept_bytes_);
    for (const auto& block : blocks_) walk_block(block, weights, progress, sink, tap);
    return report_;
  }

 private:
  struct Batch {
    size_t begin, end;
  };

  void walk_block(const std::vector<Batch>& block, KeptTiles& weights, Progress& progress, const ProductSink& sink,
                  const ProductTap& tap) const {
    // The batch with most rows comes first: the smaller ones then fit into the memory that it gave back. The other way round, each
    // would be a little too large for the holes before it, and the heap would grow with every batch.
    std::vector<size_t> order(block.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::vector<int64_t> rows(block.size(), 0);
    for (size_t i = 0; i < block.size(); ++i)
      for (size_t t = block[i].begin; t < block[i].end; ++t) rows[i] += targets_[t].rows();
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a] > rows[b]; });
    std::vector<Cotangent> walked;
    for (const size_t i : order) {
      const auto [begin, end] = block[i];
      std::vector<Segment> segments;
      for (size_t t = begin; t < end; ++t) {
        const auto& target = targets_[t];
        segments.push_back({target.sequence, static_cast<int64_t>(t), target.position, target.position + 1, target.floor});
      }
      const auto layout = std::make_shared<Layout>(std::move(segments));
      walked.push_back({cotangents_.narrow(0, static_cast<int64_t>(begin), layout->rows).clone(), layout});
    }
    for (int64_t s = forward_.count() - 1; s >= 0; --s) {
      const Stage stage = forward_.stage(s);
      const WalkTap on_node = !tap ? WalkTap() : [&](RaggedNode& node, const Cotangent& g) { tap(s, node, g); };
      for (size_t i = 0; i < walked.size(); ++i) {
        walked[i].rows = walked[i].rows.to(stage.input.device());
        walked[i] = walk(stage, std::move(walked[i]), on_node);
        progress.advance(rows[order[i]]);
      }
      drop_shared(stage);
      weights.clear();
    }
    for (const auto& cotangent : walked)
      for (const auto& segment : cotangent.layout->segments) {
        const auto& target = targets_[segment.output];
        const at::Tensor rows = cotangent.rows.narrow(0, segment.offset, segment.rows()).to(forward_.inputs().device());
        // Stages that mix no positions leave the rows before the cotangent's own out.
        sink(target, segment.low == target.floor ? rows : at::constant_pad_nd(rows, {0, 0, segment.low - target.floor, 0}));
      }
  }

  const StagedForward& forward_;
  const std::vector<Target>& targets_;
  const at::Tensor& cotangents_;
  int64_t width_, work_per_row_ = 0, kept_bytes_ = 0;
  std::vector<std::vector<Batch>> blocks_;
  ProductsReport report_{};
};

// Full-shape cotangents through torch's engine, in blocks of targets of one sequence; each block's forward pass is only as long as its
// last target needs.
ProductsReport dense(const Model& model, const StagedForward& whole, const std::vector<Target>& targets, const at::Tensor& cotangents,
                     const ProductsBudget& budget, Engine engine, Progress& progress, const ProductSink& sink) {
  const at::Tensor& inputs = whole.inputs();
  const int64_t bytes = budget.plan.memory_budget;
  const int64_t width = whole.hidden().size(2), pairs = whole.rules() == Rules::deeplift ? inputs.size(0) / 2 : 0;
  // Backward holds about as much again as the graph, per cotangent; the graph itself is not held batched.
  const int64_t one = whole.stage_bytes() / inputs.size(0) * (pairs ? 2 : 1), per_target = std::max<int64_t>(1, 2 * one);
  const int64_t fixed = whole.bytes() + whole.count() * one + budget.reserved;
  require_memory(fixed + per_target, bytes, budget.plan);
  const int64_t block = std::min<int64_t>({8, static_cast<int64_t>(targets.size()), (bytes - fixed) / per_target});
  for (size_t begin = 0, end; begin < targets.size(); begin = end) {
    const int64_t sequence = targets[begin].sequence;
    int64_t rows = 0;
    for (end = begin; end < targets.size() && targets[end].sequence == sequence && static_cast<int64_t>(end - begin) < block; ++end)
      rows = std::max(rows, targets[end].position + 1);
    at::Tensor own = inputs.narrow(0, sequence, 1).narrow(1, 0, rows);
    if (pairs) own = at::cat({own, inputs.narrow(0, sequence + pairs, 1).narrow(1, 0, rows)});
    const StagedForward forward(model, own, whole.first(), bytes * 2 / 5, whole.rules(), progress.context());
    const int64_t count = static_cast<int64_t>(end - begin);
    at::Tensor walked = at::zeros({count, own.size(0), rows, width}, inputs.options());
    for (int64_t j = 0; j < count; ++j) walked[j][0][targets[begin + j].position].copy_(cotangents[static_cast<int64_t>(begin) + j]);
    for (int64_t i = forward.count() - 1; i >= 0; --i) {
      const Stage stage = forward.stage(i);
      walked = walked.to(stage.input.device());
      walked = engine == Engine::batched ? batched_vjp(stage, walked) : looped_vjp(stage, walked);
      int64_t work = 0;
      for (size_t t = begin; t < end; ++t) work += targets[t].rows();
      progress.advance(work);
    }
    walked = walked.to(inputs.device());
    for (int64_t j = 0; j < count; ++j)
      sink(targets[begin + j], walked[j][0].narrow(0, targets[begin + j].floor, targets[begin + j].rows()));
  }
  return {engine, fixed + block * per_target, block};
}

}  // namespace

std::vector<Target> every_target(const Plan& plan) {
  std::vector<Target> targets;
  for (int64_t t = 0; t < plan.outputs(); ++t) targets.push_back({0, t, plan.high(t) - 1});
  return targets;
}

int64_t work_of(const std::vector<Target>& targets, int64_t stages) {
  int64_t rows = 0;
  for (const auto& target : targets) rows += target.rows();
  return rows * stages;
}

int64_t least_bytes(const StagedForward& forward, int64_t rows) {
  return forward.rebuilt_bytes() + shared_bytes(forward.stage(0)) + one_target_bytes(forward, rows);
}

ProductsReport products(const Model& model, StagedForward& forward, const std::vector<Target>& targets, const at::Tensor& cotangents,
                        const ProductsBudget& budget, Progress& progress, const ProductSink& sink, const ProductTap& tap) {
  const RulesGuard rules(forward.rules());  // how exact products with bfloat16 are goes by them
  const Engine engine = budget.plan.engine != Engine::automatic ? budget.plan.engine : forward.ragged() ? Engine::ragged : Engine::batched;
  if (!forward.ragged() && forward.rules() != Rules::gradient)
    throw Error("CAPABILITY", "This model's graph has operators that cannot run by relevance rules.",
                "Build the model from its folder or GGUF file.");
  if (!forward.ragged() && (engine == Engine::ragged || tap))
    throw Error("CAPABILITY", "This model's graph has operators that cannot run packed.",
                tap ? "Build the model from its folder or GGUF file." : "Use engine \"auto\".");
  if (engine == Engine::ragged || tap) return Ragged(forward, targets, cotangents, budget).run(progress, sink, tap);
  return dense(model, forward, targets, cotangents, budget, engine, progress, sink);
}

}  // namespace tokenlense
