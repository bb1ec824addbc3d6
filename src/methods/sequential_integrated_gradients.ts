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
} from "./options.js";

export const sequentialIntegratedGradients = defineMethod({
  name: "sequential_integrated_gradients",
  summary:
    "Integrated gradients of one token at a time, the others as they are. Costs as many paths as there are tokens.",
  paper: {
    title:
      "Enguehard 2023, Sequential Integrated Gradients: a simple but effective method for explaining language models",
    url: "https://aclanthology.org/2023.findings-acl.477/",
  },
  cost: "path",
  options: z.strictObject({ steps, rule, baseline, multiplyByInput, aggregate }),
  step: "probability",
  needs: gradientNeeds,
  dimensions: embeddingDimension,
  plan: ({ steps, rule, baseline, multiplyByInput, aggregate }, context) => ({
    kind: "path",
    path: "sequential",
    steps,
    rule,
    layer: 0,
    baseline: baselinePlan(baseline, context),
    multiplyByInput,
    reduce: reductions[aggregate],
  }),
});
