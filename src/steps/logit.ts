import { defineStep } from "./step.js";

export const logit = defineStep({
  name: "logit",
  summary: "Logit of the target token, before the softmax.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
`,
});
