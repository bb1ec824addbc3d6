import { z } from "zod";
import { attentionNeeds, defineMethod } from "./method.js";
import { heads, list } from "./options.js";

export const attentionRollout = defineMethod({
  name: "attention_rollout",
  summary: "Attention multiplied through the layers, half of each layer being the residual stream.",
  paper: {
    title: "Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers",
    url: "https://arxiv.org/abs/2005.00928",
  },
  cost: "forward",
  options: z.strictObject({ heads }),
  step: "probability",
  needs: attentionNeeds,
  plan: ({ heads }) => ({
    kind: "internals",
    internals: "rollout",
    layers: list(undefined),
    heads: list(heads),
    mean: true,
  }),
});
