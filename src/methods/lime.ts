import { z } from "zod";
import { uniform } from "./draw.js";
import { defineMethod, gradientNeeds } from "./method.js";
import { baseline, baselinePlan, seed } from "./options.js";

/**
 * As Inseq defines it: ridge regression on the perturbed embeddings, weighted by how many tokens were kept. A token's
 * score is the size of its coefficients over the embedding dimension, or their signed sum.
 */
export const lime = defineMethod({
  name: "lime",
  summary: "A linear model of the step function on which tokens were kept, fitted to randomly masked texts.",
  paper: {
    title: 'Ribeiro et al. 2016, "Why Should I Trust You?": Explaining the Predictions of Any Classifier',
    url: "https://arxiv.org/abs/1602.04938",
  },
  cost: "perturbation",
  options: z.strictObject({
    samples: z.int().min(2).default(50).describe("masked texts"),
    maskProbability: z.number().gt(0).lt(1).default(0.3).describe("of each token in each text"),
    ridge: z.number().positive().default(1).describe("penalty of the squared coefficients"),
    seed,
    baseline: baseline.unwrap().default("zero").describe('in place of a masked token (default "zero")'),
    aggregate: z.enum(["vnorm", "sum"]).default("vnorm"),
  }),
  step: "probability",
  needs: gradientNeeds,
  plan: ({ samples, maskProbability, ridge, seed, baseline, aggregate }, context) => {
    const next = uniform(seed);
    return {
      kind: "perturbation",
      perturbation: "lime",
      masks: Uint8Array.from({ length: samples * (context.ids.length - 1) }, () => (next() < maskProbability ? 0 : 1)),
      ridge,
      sum: aggregate === "sum",
      baseline: baselinePlan(baseline, context),
    };
  },
});
