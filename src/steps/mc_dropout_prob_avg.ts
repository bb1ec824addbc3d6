import { z } from "zod";
import { defineStep } from "./step.js";

export const mcDropoutProbAvg = defineStep({
  name: "mc_dropout_prob_avg",
  summary: "Probability of the target in standard deviations from its mean over passes with dropout.",
  options: z.strictObject({
    passes: z.int().min(2).default(5),
    rate: z.number().gt(0).lt(1).default(0.1).describe("of dropout, on what each layer adds to the residual stream"),
    seed: z.int().nonnegative().default(0),
  }),
  source: `
def step(logits: Tensor, targets: Tensor, noisy: Tensor) -> Tensor:
    probability = torch.softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (probability - noisy.mean(-1)) / noisy.std(-1)
`,
});
