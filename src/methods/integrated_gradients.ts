import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";
import {
  aggregate,
  baseline,
  baselinePlan,
  embeddingDimension,
  multiplyByInput,
  reductions,
  rule,
  steps,
  tolerance,
} from "./options.js";

export const integratedGradients = defineMethod({
  name: "integrated_gradients",
  summary: "Gradients along the straight line from a baseline, averaged, times the difference: scores add up.",
  paper: {
    title: "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks",
    url: "https://arxiv.org/abs/1703.01365",
  },
  cost: "path",
  options: z.strictObject({ steps, tolerance, rule, baseline, multiplyByInput, aggregate }),
  step: "probability",
  needs: gradientNeeds,
  dimensions: embeddingDimension,
  plan: ({ steps, tolerance, rule, baseline, multiplyByInput, aggregate }, context) => ({
    kind: "path",
    path: "straight",
    steps,
    rule,
    ...(tolerance !== undefined && { tolerance }),
    layer: 0,
    baseline: baselinePlan(baseline, context),
    multiplyByInput,
    reduce: reductions[aggregate],
  }),
});
