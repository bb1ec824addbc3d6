import fc from "fast-check";
import { expect, it } from "vitest";
import type { NativeModel } from "../../src/native.js";
import { FAMILY, randomIds, randomModels, relativeError, TWIN } from "../native/random-model.js";
import { LOGIT, rulesPlan, run, SMALL } from "./plans.js";

// AttnLRP is gradient × input of another function, in which factors that only pass relevance on are constants (Achtibat
// et al. 2024, and their own LXT): written so in plain ATen, libtorch's autograd does the rest. GPT-2's is in
// tests/native/gpt2.test.ts.
const changes: [string, string][] = [
  [
    "torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps)",
    "torch.rsqrt(torch.mean(torch.pow(x, 2), [-1], True) + self.norm_eps).detach()",
  ],
  ["torch.matmul(q, torch.transpose(k, 2, 3))", "self.halves(q, torch.transpose(k, 2, 3))"],
  [
    'a = torch.matmul(torch.softmax(torch.masked_fill(scores, later, -float("inf")), -1), v)',
    'a = self.halves(torch.softmax(torch.masked_fill(scores, later, -float("inf")), -1), v)',
  ],
  // The activation by the identity rule; each factor of the product gets half.
  ["torch.silu(gate) * up", "self.evenly(gate * torch.sigmoid(gate).detach(), up)"],
  [
    "def rotate(",
    `def halves(self, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (torch.matmul(a, b.detach()) + torch.matmul(a.detach(), b))

def evenly(self, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (a * b.detach() + a.detach() * b)

def rotate(`,
  ],
];
const LRP_TWIN = changes.reduce((source, [from, to]) => {
  if (!source.includes(from)) throw new Error(`the twin no longer has: ${from}`);
  return source.replace(from, to);
}, TWIN);

it("AttnLRP of Llama is gradient × input of the function with detached factors, in plain ATen", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 70 }), fc.nat({ max: 2 ** 30 }), async (length, seed) => {
      const [model, twin] = (await randomModels(SMALL, seed, FAMILY, LRP_TWIN)) as [NativeModel, NativeModel];
      const text = { ids: randomIds(length, SMALL.vocabulary, seed), promptLength: Math.ceil(length / 2) };
      const actual = await run(model, rulesPlan(text, "attnlrp", undefined, LOGIT));
      const expected = await run(twin, { ...rulesPlan(text, "gradient", undefined, LOGIT), engine: "plain" });
      // The final norm and the head go by the rules as well.
      expect(relativeError(actual.scores, expected.scores)).toBeLessThan(2e-5);
      for (const [name, values] of Object.entries(expected.stepScores))
        expect(relativeError(actual.stepScores[name] as Float32Array, values)).toBeLessThan(1e-5);
      model.dispose();
      twin.dispose();
    }),
    { numRuns: 15, seed: 20261124 },
  );
});
