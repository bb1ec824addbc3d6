import { z } from "zod";
import { deepliftNeeds, defineMethod } from "./method.js";
import { aggregate, baseline, baselinePlan, embeddingDimension, reductions } from "./options.js";

/**
 * DeepLIFT with a multiplier for every operation, so that the scores of an output add up to the difference of the
 * step function between the text and the baseline:
 * - linear layers: their weights; activations: rescale rule, Δy/Δz;
 * - products (gate by value, attention by values, queries by keys): each factor by the mean of the other;
 * - norms: a product of the centred input and 1/σ, which is a function of the mean square, by its secant;
 * - softmax: Δp_j = L_j·(Δs_j − ΣL_k·Δs_k/ΣL), L_j the logarithmic mean of p_j and its baseline;
 * - the step function: its mean gradient on the line between the two logit rows.
 */
export const deeplift = defineMethod({
  name: "deeplift",
  summary: "Differences from a baseline, passed back by a complete rule for every operation: scores add up exactly.",
  paper: {
    title:
      "Shrikumar et al. 2017, Learning Important Features Through Propagating Activation Differences; Chen et al. 2021 for products",
    url: "https://arxiv.org/abs/1704.02685",
  },
  cost: "gradient",
  options: z.strictObject({ baseline, aggregate }),
  step: "probability",
  needs: deepliftNeeds,
  dimensions: embeddingDimension,
  plan: ({ baseline, aggregate }, context) => ({
    kind: "gradient",
    rules: "deeplift",
    layer: 0,
    baseline: baselinePlan(baseline, context),
    multiplyByInput: true,
    reduce: reductions[aggregate],
  }),
});
