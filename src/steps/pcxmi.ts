import { defineStep } from "./step.js";

export const pcxmi = defineStep({
  name: "pcxmi",
  summary:
    "Pointwise conditional cross-mutual information: −log₂ of the target's probability over that of the contrast's token, in bits.",
  contrastive: true,
  source: `
def step(logits: Tensor, targets: Tensor, contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    target = torch.softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    contrast = torch.softmax(contrast_logits, -1).gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1)
    return -torch.log2(target / contrast)
`,
});
