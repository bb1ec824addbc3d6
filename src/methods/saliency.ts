import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";

export const saliency = defineMethod({
  name: "saliency",
  summary: "Size of the gradient of the step function with respect to each token's embedding.",
  paper: {
    title:
      "Simonyan et al. 2014, Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
    url: "https://arxiv.org/abs/1312.6034",
  },
  cost: "gradient",
  options: z.strictObject({
    aggregate: z.enum(["vnorm"]).default("vnorm"),
  }),
  step: "probability",
  needs: gradientNeeds,
  plan: () => ({ kind: "gradient", rules: "gradient", layer: 0, multiplyByInput: false, reduce: "l2" }),
});
