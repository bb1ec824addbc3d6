#pragma once
#include "../model.h"
#include "plan.h"

namespace tokenlense {

enum class PerturbationKind {
  none,       // step scores only
  occlusion,  // Zeiler & Fergus 2014
  lime,       // Ribeiro et al. 2016
  reagent,    // Zhao & Shan 2024
  masked,     // no scores: values of texts whose tokens are partly replaced
};

/// What ReAGent leaves to chance, drawn elsewhere: for comparison with other programs. Of each step, in order; a run ends with them.
struct ReagentDraws {
  std::vector<double> importance;  // [probes, outputs, rows], where a probe's scores begin
  std::vector<uint8_t> replaced;   // [steps, probes, rows], 1 where a token is replaced
  std::vector<int64_t> tokens;     // [steps, probes, rows], by what
  std::vector<int64_t> tests;      // [steps, probes, outputs, rows], likewise in the stopping test
};

/// The attributed function where parts of the input are replaced; no gradients.
struct PerturbationPlan : Plan {
  PerturbationKind kind = PerturbationKind::occlusion;
  Baseline baseline;     // of occlusion, LIME and masked texts: what replaces a token
  bool absolute = true;  // of occlusion: the size of a change, not its sign
  int64_t window = 1;    // of occlusion: tokens replaced together
  // LIME and masked texts:
  std::vector<uint8_t> masks;  // [samples, rows]: 1 where the token stays
  // Masked texts: each value's text, and output. The result's scores are the values.
  std::vector<int64_t> value_texts, value_outputs;
  // LIME:
  double ridge = 1;  // penalty of the squared coefficients
  bool sum = false;  // signed sum of a token's coefficients over the embedding, in place of their L2 norm
  // ReAGent:
  uint64_t seed = 0;
  int64_t probes = 16, most_steps = 3000, stop_top_k = 3, keep_top_n = 5;
  double replace_ratio = 0.3;
  std::optional<ReagentDraws> draws;
  std::vector<int64_t> candidates;  // tokens to replace by; empty: the whole vocabulary
};

AttributionResult attribute_perturbation(const Model& model, const PerturbationPlan& plan, TaskContext& context);

}  // namespace tokenlense
