import { defineStep } from "./step.js";

export const crossentropy = defineStep({
  name: "crossentropy",
  summary: "Cross-entropy of the target token, −ln p, in nats.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
`,
});
