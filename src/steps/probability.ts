import { defineStep } from "./step.js";

export const probability = defineStep({
  name: "probability",
  summary: "Probability of the target token, from 0 to 1.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
`,
});
