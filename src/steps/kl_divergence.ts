import { z } from "zod";
import { defineStep } from "./step.js";
import { outsideNucleus } from "./top_p.js";

export const klDivergence = defineStep({
  name: "kl_divergence",
  summary: "Divergence of the distribution after the contrast's prefix from that after the output's own, in nats.",
  contrastive: true,
  ownPrefix: true,
  options: z.strictObject({
    topK: z.int().nonnegative().default(0).describe("only the likeliest tokens of both together; 0 for all"),
    topP: z.number().gt(0).max(1).default(1).describe("only the nucleus of both together; before topK"),
    minTokensToKeep: z.int().positive().default(1),
  }),
  source: ({ topK, topP, minTokensToKeep }) => `${outsideNucleus(topP, minTokensToKeep)}
def step(logits: Tensor, targets: Tensor, contrast_logits: Tensor) -> Tensor:
    if ${topP < 1 ? "True" : "False"}:
        removed = outside(logits + contrast_logits)
        logits = logits.masked_fill(removed, -float("inf"))
        contrast_logits = contrast_logits.masked_fill(removed, -float("inf"))
    if ${topK} > 0:
        together = logits + contrast_logits
        count = min(max(${topK}, ${minTokensToKeep}), logits.size(-1))
        values, order = torch.topk(together, count, -1)
        removed = together < values[:, -1:]
        logits = logits.masked_fill(removed, -float("inf"))
        contrast_logits = contrast_logits.masked_fill(removed, -float("inf"))
    own = torch.log_softmax(logits, -1)
    other = torch.log_softmax(contrast_logits, -1)
    kept = torch.isfinite(own)
    difference = own.masked_fill(~kept, 0.0) - other.masked_fill(~kept, 0.0)
    return (own.exp() * difference).sum(-1)
`,
});
