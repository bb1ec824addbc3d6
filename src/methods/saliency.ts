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
  options: z.strictObject({
    aggregate: z.enum(["vnorm"]).default("vnorm"),
  }),
  step: "probability",
  needs: gradientNeeds,
  plan: () => ({ multiplyByInput: false, reduce: "l2" }),
});
