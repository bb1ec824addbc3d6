import { z } from "zod";
import { defineMethod, gradientNeeds } from "./method.js";
import { baseline, baselinePlan } from "./options.js";

export const occlusion = defineMethod({
  name: "occlusion",
  summary: "Change of the step function when a token is replaced by the baseline.",
  paper: {
    title: "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks",
    url: "https://arxiv.org/abs/1311.2901",
  },
  cost: "perturbation",
  options: z.strictObject({
    window: z
      .int()
      .positive()
      .default(1)
      .describe("tokens replaced together; a token's score is the mean of its windows"),
    signed: z.boolean().default(false).describe("keep the change's sign: positive where the token raised the value"),
    baseline,
  }),
  step: "probability",
  needs: gradientNeeds,
  plan: ({ window, signed, baseline }, context) => ({
    kind: "perturbation",
    perturbation: "occlusion",
    window,
    absolute: !signed,
    baseline: baselinePlan(baseline, context),
  }),
});
