import { defineStep } from "./step.js";

export const contrastLogits = defineStep({
  name: "contrast_logits",
  summary: "Logit of the contrast's token.",
  contrastive: true,
  source: `
def step(contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    return contrast_logits.gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1)
`,
});
