import { z } from "zod";
import { integratedGradients } from "./integrated_gradients.js";
import { defineMethod, layeredNeeds } from "./method.js";
import { embeddingDimension, layer, requireLayer } from "./options.js";

export const layerIntegratedGradients = defineMethod({
  name: "layer_integrated_gradients",
  summary: "Integrated gradients along the straight line between a layer's outputs for baseline and text.",
  paper: integratedGradients.paper,
  cost: "path",
  options: z.strictObject({ layer, ...integratedGradients.options.shape }),
  step: "probability",
  needs: layeredNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, ...options }, context) => ({
    ...integratedGradients.plan(options, context),
    layer: requireLayer(context, layer),
  }),
});
