import { z } from "zod";
import { defineMethod, layeredNeeds } from "./method.js";
import { heads, layers, layersAndHeads, list, mean } from "./options.js";

export const gradientXAttention = defineMethod({
  name: "gradient_x_attention",
  summary: "Attention probabilities times the step function's gradient with respect to them, summed over queries.",
  paper: {
    title: "Barkan et al. 2021, Grad-SAM: Explaining Transformers via Gradient Self-Attention Maps",
    url: "https://arxiv.org/abs/2204.11073",
  },
  cost: "gradient",
  options: z.strictObject({ layers, heads, mean }),
  step: "probability",
  needs: layeredNeeds,
  dimensions: layersAndHeads,
  plan: ({ layers, heads, mean }) => ({
    kind: "internals",
    internals: "attention_gradient",
    layers: list(layers),
    heads: list(heads),
    mean,
  }),
});
