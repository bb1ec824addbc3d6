import { TWIN } from "./random-model.js";

// AttnLRP is gradient × input of another function, in which factors that only pass relevance on are constants (Achtibat
// et al. 2024, and their own LXT): written so in plain ATen, libtorch's autograd does the rest. GPT-2's is in
// tests/native/gpt2.test.ts.
const changes: [string, string][] = [
  [
    "torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps)",
    "torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps).detach()",
  ],
  ["torch.matmul(q, torch.transpose(k, 2, 3))", "self.halves(q, torch.transpose(k, 2, 3))"],
  ["a = torch.matmul(p, v)", "a = self.halves(p, v)"],
  // Activation and cap by the identity rule; each factor of the product gets half.
  ["self.activate(gate) * up", "self.evenly(gate * (self.activate(gate) / gate).detach(), up)"],
  [
    "torch.tanh(scores / self.attention_softcap) * self.attention_softcap",
    "scores * (torch.tanh(scores / self.attention_softcap) * self.attention_softcap / scores).detach()",
  ],
  [
    "def rotate(",
    `def halves(self, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (torch.matmul(a, b.detach()) + torch.matmul(a.detach(), b))

def evenly(self, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (a * b.detach() + a.detach() * b)

def rotate(`,
  ],
];
/** A twin of TWIN's kind with the factors that AttnLRP takes for constants detached. */
export const attnLrp = (twin: string): string =>
  changes.reduce((source, [from, to]) => {
    if (!source.includes(from)) throw new Error(`the twin no longer has: ${from}`);
    return source.replaceAll(from, to);
  }, twin);

export const LRP_TWIN = attnLrp(TWIN);
