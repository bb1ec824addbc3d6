import { z } from "zod";
import { inputXGradient } from "./input_x_gradient.js";
import { defineMethod, layeredNeeds } from "./method.js";
import { embeddingDimension, layer, requireLayer } from "./options.js";

export const layerGradientXActivation = defineMethod({
  name: "layer_gradient_x_activation",
  summary: "Gradient times activation at a layer's output. The backward pass ends at that layer.",
  paper: {
    title: "Ancona et al. 2018, Towards Better Understanding of Gradient-Based Attribution Methods",
    url: "https://arxiv.org/abs/1711.06104",
  },
  cost: "gradient",
  options: z.strictObject({ layer, ...inputXGradient.options.shape }),
  step: "probability",
  needs: layeredNeeds,
  dimensions: embeddingDimension,
  plan: ({ layer, ...options }, context) => ({
    ...inputXGradient.plan(options, context),
    layer: requireLayer(context, layer),
  }),
});
