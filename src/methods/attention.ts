import { z } from "zod";
import { attentionNeeds, defineMethod } from "./method.js";
import { heads, layers, layersAndHeads, list, mean } from "./options.js";

export const attention = defineMethod({
  name: "attention",
  summary: "Attention probabilities of the position that predicts the output, by layer and head or their mean.",
  paper: {
    title: "Bahdanau et al. 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    url: "https://arxiv.org/abs/1409.0473",
  },
  cost: "forward",
  options: z.strictObject({ layers, heads, mean }),
  step: "probability",
  needs: attentionNeeds,
  dimensions: layersAndHeads,
  plan: ({ layers, heads, mean }) => ({
    kind: "internals",
    internals: "attention",
    layers: list(layers),
    heads: list(heads),
    mean,
  }),
});
