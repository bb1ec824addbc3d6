#include "gradient.h"

#include <chrono>

#include "../autograd/batched.h"
#include "../autograd/gemm.h"
#include "../error.h"
#include "forward.h"

// One forward pass over the whole sequence, then one vector-Jacobian product per output: with a causal mask the outputs do not see later
// tokens, so teacher forcing gives the same gradients as a pass per output. The products run layer by layer, all outputs of a block
// through one layer before the next: what a layer saved is then used while it is in the cache, and only one layer's attention
// probabilities exist at a time.

namespace tokenlense {
namespace {

// Enough rows for the matrix products to run at full speed, few enough for the widest intermediate to stay in the last-level cache.
constexpr int64_t kBatchRows = 768;
constexpr int64_t kFloat = sizeof(float);

std::string output_name(const GradientPlan& plan, int64_t output) {
  const int64_t position = plan.prompt_length + output;
  return "output " + std::to_string(output) + " (position " + std::to_string(position) + ", token id " +
         std::to_string(plan.ids[position]) + ")";
}

void require_finite(const at::Tensor& per_output, const GradientPlan& plan, const std::string& what) {
  const at::Tensor finite = at::isfinite(per_output).cpu();
  if (finite.all().item<bool>()) return;
  const bool* good = finite.const_data_ptr<bool>();
  int64_t bad = 0;
  while (good[bad]) ++bad;
  throw Error(
      "NON_FINITE", what + " is not finite at " + output_name(plan, bad) + ", step function \"" + plan.step->name() + "\".",
      "A step function that divides by or takes the logarithm of a vanishing probability does this; try \"probability\" or \"logit\".");
}

std::string mebibytes(int64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB"; }

class GradientRun {
 public:
  GradientRun(const Model& model, const GradientPlan& plan, TaskContext& context) : model_(model), plan_(plan), context_(context) {}

  GradientResult run() {
    const auto start = std::chrono::steady_clock::now();
    reset_flops();
    const at::Tensor ids = at::tensor(at::ArrayRef<int64_t>(plan_.ids.data(), plan_.rows()), at::kLong).unsqueeze(0).to(model_.device);
    embeddings_ = model_.call("embed", {ids});
    StagedForward forward(model_, embeddings_, plan_.memory_budget * 2 / 5, context_);
    result_.engine = plan_.engine != Engine::automatic ? plan_.engine : forward.ragged() ? Engine::ragged : Engine::batched;
    if (result_.engine == Engine::ragged && !forward.ragged())
      throw Error("CAPABILITY", "This model's graph has operators that cannot run packed.", "Use engine \"auto\".");
    head(forward.hidden()[0].narrow(0, plan_.prompt_length - 1, plan_.outputs()));
    std::vector<int64_t> sizes = {static_cast<int64_t>(plan_.ids.size()), plan_.outputs()};
    if (plan_.reduce == Reduce::none) sizes.push_back(embeddings_.size(2));
    result_.scores = at::zeros(sizes, embeddings_.options());
    if (result_.engine == Engine::ragged)
      ragged(forward);
    else
      dense(forward);
    require_finite(result_.scores.transpose(0, 1).flatten(1).sum(1), plan_, "The attribution");
    result_.flops = counted_flops();
    result_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(result_);
  }

 private:
  // From hidden rows to step function values, and the cotangents of the hidden rows: row by row, so one backward pass serves all outputs.
  void head(const at::Tensor& hidden) {
    const at::Tensor targets =
        at::tensor(at::ArrayRef<int64_t>(plan_.ids.data() + plan_.prompt_length, plan_.outputs()), at::kLong).to(model_.device);
    const int64_t row_bytes = 5 * kFloat * vocabulary(hidden);
    const int64_t chunk = std::clamp<int64_t>(plan_.memory_budget / 8 / row_bytes, 1, 64);
    head_bytes_ = chunk * row_bytes;
    std::vector<at::Tensor> values, cotangents;
    std::map<std::string, std::vector<at::Tensor>> scores;
    for (int64_t t = 0; t < plan_.outputs(); t += chunk) {
      context_.check();
      const int64_t count = std::min(chunk, plan_.outputs() - t);
      at::AutoGradMode recording(true);
      at::Tensor leaf = hidden.narrow(0, t, count).detach().contiguous().requires_grad_();
      const at::Tensor logits = model_.logits(leaf), wanted = targets.narrow(0, t, count);
      const at::Tensor value = (*plan_.step)(logits, wanted);
      if (!value.requires_grad())
        throw Error("INPUT", "The step function \"" + plan_.step->name() + "\" does not depend on the logits, so it has no gradient.");
      cotangents.push_back(torch::autograd::grad({value.sum()}, {leaf})[0]);
      values.push_back(value.detach());
      at::NoGradGuard no_grad;
      for (const auto& score : plan_.step_scores) scores[score.name()].push_back(score(logits.detach(), wanted));
    }
    require_finite(at::cat(values), plan_, "The attributed value");
    cotangents_ = at::cat(cotangents);
    for (const auto& [name, parts] : scores) result_.step_scores[name] = at::cat(parts).to(at::kFloat).cpu();
  }

  int64_t vocabulary(const at::Tensor& hidden) const {
    return model_.module.hasattr("vocabulary") ? model_.integer("vocabulary") : model_.logits(hidden.narrow(0, 0, 1)).size(1);
  }

  int64_t high(int64_t output) const { return plan_.prompt_length + output; }  // rows that the output depends on

  void ragged(StagedForward& forward) {
    const int64_t width = embeddings_.size(2), rows = plan_.rows(), count = forward.count();
    const Stage first = forward.stage(0);
    const int64_t work_per_row = 3 * forward.stage_bytes() / rows / 2;
    const int64_t largest = high(plan_.outputs() - 1), one_output = largest * (work_per_row + 2 * width * kFloat);
    const int64_t other = shared_bytes(first) + head_bytes_ + static_cast<int64_t>(result_.scores.nbytes());
    // Graphs were kept by a share of the budget; where that leaves too little for the rest, memory goes before time.
    if (forward.kept() && count * forward.stage_bytes() + other + one_output > plan_.memory_budget) forward.drop_graphs();
    const int64_t fixed = (forward.kept() ? count * forward.stage_bytes() : count * rows * width * kFloat + forward.stage_bytes()) + other;
    const int64_t least = fixed + one_output;
    if (least > plan_.memory_budget)
      throw Error("MEMORY",
                  "Attributing " + std::to_string(plan_.ids.size()) + " tokens needs at least " + mebibytes(least) +
                      " of working memory; the budget is " + mebibytes(plan_.memory_budget) + ".",
                  "Give a memoryBudget of " + mebibytes(least) + " or more, or a shorter text.");
    const int64_t free = plan_.memory_budget - fixed;
    const int64_t batch_rows = std::clamp(free / 2 / std::max<int64_t>(work_per_row, 1), largest, std::max(kBatchRows, largest));

    // Blocks of outputs whose cotangents fit in what is left; batches of a block are walked one at a time.
    const int64_t all_rows = plan_.outputs() * (high(0) + largest) / 2;
    const int64_t block_rows = std::clamp((free - batch_rows * work_per_row) / (2 * width * kFloat), largest, all_rows);
    std::vector<std::vector<std::vector<Segment>>> blocks;
    int64_t in_block = block_rows, in_batch = 0, batches = 0;
    for (int64_t t = 0; t < plan_.outputs(); ++t) {
      if (in_block + high(t) > block_rows) blocks.emplace_back(), in_block = 0, in_batch = batch_rows;
      if (in_batch + high(t) > batch_rows) blocks.back().emplace_back(), in_batch = 0, ++batches;
      blocks.back().back().push_back({0, t, high(t) - 1, high(t)});
      in_block += high(t), in_batch += high(t);
    }
    result_.block = static_cast<int64_t>(blocks.front().front().size());
    result_.planned_bytes = fixed + batch_rows * work_per_row + block_rows * 2 * width * kFloat;

    int64_t done = 0;
    for (auto& block : blocks) {
      // The batch with most rows comes first: the smaller ones then fit into the memory that it gave back. The other way round, each
      // would be a little too large for the holes before it, and the heap would grow with every batch.
      std::vector<Cotangent> cotangents;
      for (auto segments = block.rbegin(); segments != block.rend(); ++segments) {
        const auto layout = std::make_shared<Layout>(std::move(*segments));
        cotangents.push_back({cotangents_.narrow(0, layout->segments.front().output, layout->rows).clone(), layout});
      }
      for (int64_t i = count - 1; i >= 0; --i) {
        const Stage stage = forward.stage(i);
        for (auto& cotangent : cotangents) {
          cotangent = walk(stage, std::move(cotangent));
          context_.step(++done, count * batches);
        }
        drop_shared(stage);
      }
      for (const auto& cotangent : cotangents)
        for (const auto& segment : cotangent.layout->segments)
          put(segment.output, segment.low, cotangent.rows.narrow(0, segment.offset, segment.rows()));
    }
  }

  // Full-shape cotangents through torch's engine, in blocks of outputs; each block's forward is only as long as its last output needs.
  void dense(const StagedForward& whole) {
    const int64_t width = embeddings_.size(2);
    // Backward holds about as much again as the graph, per cotangent; the graph itself is not held batched.
    const int64_t per_output = std::max<int64_t>(1, 2 * whole.stage_bytes());
    const int64_t fixed = whole.count() * whole.stage_bytes() + head_bytes_ + static_cast<int64_t>(result_.scores.nbytes());
    if (fixed + per_output > plan_.memory_budget)
      throw Error("MEMORY",
                  "Attributing " + std::to_string(plan_.ids.size()) + " tokens needs at least " + mebibytes(fixed + per_output) +
                      " of working memory; the budget is " + mebibytes(plan_.memory_budget) + ".",
                  "Give a memoryBudget of " + mebibytes(fixed + per_output) + " or more, or a shorter text.");
    const int64_t block = std::min<int64_t>({8, plan_.outputs(), (plan_.memory_budget - fixed) / per_output});
    result_.block = block;
    result_.planned_bytes = fixed + block * per_output;
    for (int64_t t = 0; t < plan_.outputs(); t += block) {
      const int64_t count = std::min(block, plan_.outputs() - t), rows = high(t + count - 1);
      const StagedForward forward(model_, embeddings_.narrow(1, 0, rows), plan_.memory_budget * 2 / 5, context_);
      at::Tensor cotangents = at::zeros({count, 1, rows, width}, embeddings_.options());
      for (int64_t j = 0; j < count; ++j) cotangents[j][0][high(t + j) - 1].copy_(cotangents_[t + j]);
      for (int64_t i = forward.count() - 1; i >= 0; --i) {
        cotangents =
            result_.engine == Engine::batched ? batched_vjp(forward.stage(i), cotangents) : looped_vjp(forward.stage(i), cotangents);
        context_.step(t * forward.count() + count * (forward.count() - i), plan_.outputs() * forward.count());
      }
      for (int64_t j = 0; j < count; ++j) put(t + j, 0, cotangents[j][0].narrow(0, 0, high(t + j)));
    }
  }

  // gradient [rows, width] of positions low… → this output's column.
  void put(int64_t output, int64_t low, const at::Tensor& gradient) {
    const int64_t rows = gradient.size(0);
    at::Tensor value = plan_.multiply_by_input ? gradient * embeddings_[0].narrow(0, low, rows) : gradient;
    if (plan_.reduce == Reduce::l2) value = at::linalg_vector_norm(value, 2, {-1});
    if (plan_.reduce == Reduce::sum) value = value.sum(-1);
    result_.scores.narrow(0, low, rows).select(1, output).copy_(value);
  }

  const Model& model_;
  const GradientPlan& plan_;
  TaskContext& context_;
  at::Tensor embeddings_;  // [1, rows, width]
  at::Tensor cotangents_;  // [outputs, width], of the hidden rows
  int64_t head_bytes_ = 0;
  GradientResult result_;
};

}  // namespace

GradientResult attribute_gradient(const Model& model, const GradientPlan& plan, TaskContext& context) {
  if (plan.prompt_length < 1) throw Error("PROMPT", "The prompt is empty: an output needs at least one token before it.");
  if (plan.outputs() < 1) throw Error("TARGET", "There is no output: the target adds no token to the prompt.");
  return GradientRun(model, plan, context).run();
}

}  // namespace tokenlense
