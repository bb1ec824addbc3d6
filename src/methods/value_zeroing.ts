import { z } from "zod";
import { defineMethod, zeroingNeeds } from "./method.js";
import { heads, layers, list, mean } from "./options.js";

export const valueZeroing = defineMethod({
  name: "value_zeroing",
  summary: "How far a layer's output turns when the values of one position are zero, as a share of all positions.",
  paper: {
    title: "Mohebbi et al. 2023, Quantifying Context Mixing in Transformers",
    url: "https://aclanthology.org/2023.eacl-main.245/",
  },
  cost: "perturbation",
  options: z.strictObject({ layers, heads: heads.describe("whose values are zeroed (default: all)"), mean }),
  step: "probability",
  needs: zeroingNeeds,
  dimensions: ({ mean }) => (mean ? [] : ["layer"]),
  plan: ({ layers, heads, mean }) => ({
    kind: "internals",
    internals: "value_zeroing",
    layers: list(layers),
    heads: list(heads),
    mean,
  }),
});
