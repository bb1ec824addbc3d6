import { z } from "zod";
import { uniform } from "./draw.js";
import { defineMethod, gradientNeeds } from "./method.js";
import { aggregate, baseline, baselinePlan, embeddingDimension, reductions, seed } from "./options.js";

export const gradientShap = defineMethod({
  name: "gradient_shap",
  summary: "Gradients at random points between baseline and text, averaged, times the difference.",
  paper: {
    title: "Lundberg & Lee 2017, A Unified Approach to Interpreting Model Predictions",
    url: "https://arxiv.org/abs/1705.07874",
  },
  cost: "path",
  options: z.strictObject({
    samples: z.int().positive().default(5),
    noise: z.number().nonnegative().default(0).describe("standard deviation of what is added to the embeddings"),
    seed,
    baseline,
    aggregate,
  }),
  step: "probability",
  needs: gradientNeeds,
  dimensions: embeddingDimension,
  plan: ({ samples, noise, seed, baseline, aggregate }, context) => ({
    kind: "path",
    path: "random",
    coefficients: Float64Array.from({ length: samples }, uniform(seed)),
    noise,
    seed,
    layer: 0,
    baseline: baselinePlan(baseline, context),
    multiplyByInput: true,
    reduce: reductions[aggregate],
  }),
});
