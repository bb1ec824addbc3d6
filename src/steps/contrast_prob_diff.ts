import { defineStep } from "./step.js";

export const contrastProbDiff = defineStep({
  name: "contrast_prob_diff",
  summary: "Probability of the target less that of the contrast's token: why this token and not that one.",
  contrastive: true,
  source: `
def step(logits: Tensor, targets: Tensor, contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    return torch.softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1) - torch.softmax(contrast_logits, -1).gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1)
`,
});
