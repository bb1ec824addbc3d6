import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";
import { aggregate, baseline, baselinePlan, embeddingDimension, reductions } from "./options.js";

export const discretizedIntegratedGradients = defineMethod({
  name: "discretized_integrated_gradients",
  summary: "Integrated gradients along a path that passes near embeddings of real words.",
  paper: {
    title: "Sanyal & Ren 2021, Discretized Integrated Gradients for Explaining Language Models",
    url: "https://arxiv.org/abs/2108.13654",
  },
  cost: "path",
  options: z.strictObject({
    steps: z.int().min(2).default(50).describe("points of the path, both ends among them"),
    strategy: z
      .enum(["greedy", "maxcount"])
      .default("greedy")
      .describe("the next word: nearest to a monotonic path, or monotonic in most dimensions"),
    neighbours: z.int().positive().default(50).describe("nearest words among which the next one is chosen"),
    baseline,
    multiplyByInput: z.boolean().default(false).describe("times the difference from the baseline, once more"),
    aggregate,
  }),
  step: "probability",
  needs: gradientNeeds,
  dimensions: embeddingDimension,
  plan: ({ steps, strategy, neighbours, baseline, multiplyByInput, aggregate }, context) => ({
    kind: "path",
    path: "discretized",
    steps,
    strategy,
    neighbours,
    specialTokens: context.model.tokenizer.specialIds,
    layer: 0,
    baseline: baselinePlan(baseline, context),
    multiplyByInput,
    reduce: reductions[aggregate],
  }),
});
