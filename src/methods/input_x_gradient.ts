import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";

const reductions = { vnorm: "l2", sum: "sum", none: "none" } as const;

export const inputXGradient = defineMethod({
  name: "input_x_gradient",
  summary: "Gradient of the step function times the embedding: a first-order estimate of what each token adds.",
  paper: {
    title:
      "Shrikumar et al. 2017, Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
    url: "https://arxiv.org/abs/1605.01713",
  },
  options: z.strictObject({
    aggregate: z.enum(["vnorm", "sum", "none"]).default("vnorm"),
  }),
  step: "probability",
  needs: gradientNeeds,
  plan: ({ aggregate }) => ({ multiplyByInput: true, reduce: reductions[aggregate] }),
});
