import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";
import { aggregate, embeddingDimension, reductions } from "./options.js";

export const inputXGradient = defineMethod({
  name: "input_x_gradient",
  summary: "Gradient of the step function times the embedding: a first-order estimate of what each token adds.",
  paper: {
    title:
      "Shrikumar et al. 2017, Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
    url: "https://arxiv.org/abs/1605.01713",
  },
  cost: "gradient",
  options: z.strictObject({ aggregate }),
  step: "probability",
  needs: gradientNeeds,
  dimensions: embeddingDimension,
  plan: ({ aggregate }) => ({
    kind: "gradient",
    rules: "gradient",
    layer: 0,
    multiplyByInput: true,
    reduce: reductions[aggregate],
  }),
});
