import { defineStep } from "./step.js";

export const contrastProb = defineStep({
  name: "contrast_prob",
  summary: "Probability of the contrast's token.",
  contrastive: true,
  source: `
def step(contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    return torch.softmax(contrast_logits, -1).gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1)
`,
});
