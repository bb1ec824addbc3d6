#include "perturbed.h"

// LIME: a ridge regression of the attributed function's values on which tokens were kept, weighted by how many were.
//
// Inseq regresses on the perturbed embeddings themselves, one coefficient for each dimension. There every kept token contributes its
// embedding (less the mask's) times 0 or 1, so the regression has as many free directions as tokens: token j's coefficients are
// β_j·e_j/|e_j|, where β solves the regression on features z_j·|e_j|. That is what is solved here, with a matrix of [rows, rows].

namespace tokenlense {

AttributionResult lime(const Model& model, const PerturbationPlan& plan, TaskContext& context) {
  Perturbed perturbed(model, plan, context);
  const int64_t rows = plan.rows(), outputs = plan.outputs(), width = perturbed.clean().size(2);
  const int64_t samples = static_cast<int64_t>(plan.masks.size()) / rows;
  const at::Tensor masks =
      at::from_blob(const_cast<uint8_t*>(plan.masks.data()), {samples, rows}, at::kByte).to(at::kFloat).to(model.device);
  const at::Tensor baseline = embed_baseline(model, plan.baseline, rows);
  Progress progress(context, samples);
  auto masked = [&](int64_t from, int64_t count) {
    const at::Tensor kept = masks.narrow(0, from, count).unsqueeze(-1);
    return perturbed.clean() * kept + baseline * (1 - kept);
  };
  const at::Tensor values = perturbed.every_value(samples, masked, &progress).to(at::kDouble);
  const at::Tensor difference = (perturbed.clean() - baseline)[0].to(at::kDouble).cpu();
  const at::Tensor norms = at::linalg_vector_norm(difference, 2, {-1}), sums = difference.sum(-1);
  const at::Tensor kept = masks.to(at::kDouble).cpu();
  // A text counts by the elements that are as they were, some of which a mask leaves alone: weights from a file often hold zeros.
  const at::Tensor same = (difference == 0).sum(-1).to(at::kDouble);
  at::Tensor scores = at::zeros({static_cast<int64_t>(plan.ids.size()), outputs}, at::kFloat);
  for (int64_t t = 0; t < outputs; ++t) {
    const int64_t length = plan.high(t);
    const at::Tensor z = kept.narrow(1, 0, length), features = z * norms.narrow(0, 0, length);
    const at::Tensor weights = (z * static_cast<double>(width) + (1 - z) * same.narrow(0, 0, length)).sum(1),
                     total = weights.sum().clamp_min(1e-300);
    auto centred = [&](const at::Tensor& x) { return x - at::matmul(weights, x) / total; };
    const at::Tensor x = centred(features), y = centred(values.select(1, t)), weighted = x.t() * weights;
    const at::Tensor penalty = at::eye(length, x.options()) * plan.ridge;
    const at::Tensor beta = at::linalg_solve(at::matmul(weighted, x) + penalty, at::matmul(weighted, y));
    const at::Tensor score = plan.sum ? beta * sums.narrow(0, 0, length) / norms.narrow(0, 0, length).clamp_min(1e-300) : beta.abs();
    scores.select(1, t).narrow(0, 0, length).copy_(score);
  }
  AttributionResult result = perturbed.finish();
  result.scores = scores;
  require_finite(scores.sum(0), plan, "The attribution");
  return result;
}

}  // namespace tokenlense
