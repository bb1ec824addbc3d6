import { defineStep } from "./step.js";

export const contrastLogitsDiff = defineStep({
  name: "contrast_logits_diff",
  summary: "Logit of the target less that of the contrast's token: why this token and not that one.",
  contrastive: true,
  source: `
def step(logits: Tensor, targets: Tensor, contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    return logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - contrast_logits.gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1)
`,
});
