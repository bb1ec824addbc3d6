import { defineStep } from "./step.js";

export const inContextPvi = defineStep({
  name: "in_context_pvi",
  summary: "In-context pointwise V-usable information: ln p of the contrast's token less that of the target, in nats.",
  contrastive: true,
  source: `
def step(logits: Tensor, targets: Tensor, contrast_logits: Tensor, contrast_targets: Tensor) -> Tensor:
    return torch.log_softmax(contrast_logits, -1).gather(-1, contrast_targets.unsqueeze(-1)).squeeze(-1) - torch.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
`,
});
