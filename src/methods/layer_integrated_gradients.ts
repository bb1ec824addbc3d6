import { z } from "zod";
import { defineMethod, layeredNeeds } from "./method.js";
import {
  aggregate,
  baseline,
  baselinePlan,
  embeddingDimension,
  layer,
  multiplyByInput,
  reductions,
  requireLayer,
  rule,
  steps,
  tolerance,
} from "./options.js";

export const layerIntegratedGradients = defineMethod({
  name: "layer_integrated_gradients",
  summary: "Integrated gradients along the straight line between a layer's outputs for baseline and text.",
  paper: {
    title: "Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks",
    url: "https://arxiv.org/abs/1703.01365",
  },
  cost: "path",
  options: z.strictObject({ layer, steps, tolerance, rule, baseline, multiplyByInput, aggregate }),
  step: "probability",
  needs: layeredNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, steps, tolerance, rule, baseline, multiplyByInput, aggregate }, context) => ({
    kind: "path",
    path: "straight",
    steps,
    rule,
    ...(tolerance !== undefined && { tolerance }),
    layer: requireLayer(context, layer),
    baseline: baselinePlan(baseline, context),
    multiplyByInput,
    reduce: reductions[aggregate],
  }),
});
