import { z } from "zod";
import { defineMethod, layeredNeeds } from "./method.js";
import { aggregate, baseline, baselinePlan, embeddingDimension, layer, reductions, requireLayer } from "./options.js";

export const layerDeeplift = defineMethod({
  name: "layer_deeplift",
  summary: "DeepLIFT's differences at a layer's output.",
  paper: {
    title:
      "Shrikumar et al. 2017, Learning Important Features Through Propagating Activation Differences; Chen et al. 2021 for products",
    url: "https://arxiv.org/abs/1704.02685",
  },
  cost: "gradient",
  options: z.strictObject({ layer, baseline, aggregate }),
  step: "probability",
  needs: layeredNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, baseline, aggregate }, context) => ({
    kind: "gradient",
    rules: "deeplift",
    layer: requireLayer(context, layer),
    baseline: baselinePlan(baseline, context),
    multiplyByInput: true,
    reduce: reductions[aggregate],
  }),
});
