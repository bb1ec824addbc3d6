import { z } from "zod";
import { defineStep } from "./step.js";
import { outsideNucleus } from "./top_p.js";

export const topPSize = defineStep({
  name: "top_p_size",
  summary: "How many tokens hold the probability topP between them; the target plays no part.",
  options: z.strictObject({ topP: z.number().gt(0).max(1).default(0.9) }),
  flat: true,
  source: ({ topP }) => `${outsideNucleus(topP, 1)}
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return (~outside(logits)).sum(-1).to(logits.dtype)
`,
});
