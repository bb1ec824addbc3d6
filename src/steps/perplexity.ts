import { defineStep } from "./step.js";

// 2 to the power of nats, not e: so Inseq defines it, and scores must be comparable with its files.
export const perplexity = defineStep({
  name: "perplexity",
  summary: "Perplexity of the target token as Inseq defines it: 2 to the power of the cross-entropy in nats.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.pow(2.0, -torch.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1))
`,
});
