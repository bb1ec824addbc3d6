import { defineStep } from "./step.js";

// A masked logit of minus infinity has p·ln p = 0, not NaN: hence the floor, the least finite float32.
export const entropy = defineStep({
  name: "entropy",
  summary: "Entropy of the model's distribution over the vocabulary, in nats; the target plays no part.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    logarithms = torch.log_softmax(logits, -1)
    return -(logarithms.clamp(min=-3.4028234663852886e+38) * logarithms.exp()).sum(-1)
`,
});
