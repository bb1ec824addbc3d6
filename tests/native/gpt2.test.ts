import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { AttributionPlan, NativeModel } from "../../src/native.js";
import { LOGIT } from "../methods/plans.js";
import {
  GPT2,
  GPT2_TWIN,
  gradientPlan,
  PROBABILITY,
  randomIds,
  randomModels,
  relativeError,
  type Sizes,
} from "./random-model.js";

// What GPT-2's own operators do beside gradients (engines.test.ts) and axioms (methods/properties.test.ts): AttnLRP, attention and zeroed
// values against plain twins.

const sizes = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    heads: fc.integer({ min: 1, max: 4 }),
    headDim: fc.integer({ min: 1, max: 9 }),
    width: fc.integer({ min: 8, max: 40 }),
    hidden: fc.integer({ min: 1, max: 50 }),
    vocabulary: fc.integer({ min: 4, max: 60 }),
  })
  .map((size): Sizes => ({ ...size, kvHeads: size.heads, context: 96 }));
const lengths = fc
  .oneof(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 62, max: 68 }))
  .chain((length) => fc.record({ length: fc.constant(length), prompt: fc.integer({ min: 1, max: length - 1 }) }));

async function run(model: NativeModel, plan: AttributionPlan) {
  const result = await native().attribute(model, plan).promise;
  return { ...result, data: result.scores.data() as Float32Array };
}

const RUNS = { numRuns: 25, seed: 2019 };

/** AttnLRP as gradient × input of another function: factors that only pass relevance on are taken for constants. */
const LRP_TWIN = GPT2_TWIN.replace(
  /def norm\([\s\S]*?\n\n/,
  `def norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    c = x - torch.mean(x, [-1], True)
    return c * torch.rsqrt(torch.mean(torch.pow(c, 2), [-1], True) + self.norm_eps).detach() * weight + bias

def halves(self, a: Tensor, b: Tensor) -> Tensor:
    return 0.5 * (torch.matmul(a, b.detach()) + torch.matmul(a.detach(), b))

`,
)
  .replace("return 0.5 * x * (1 + torch.erf(x *", "return x * 0.5 * (1 + torch.erf(x.detach() *")
  .replace("return 0.5 * x * (1 +", "z = x.detach()\n    return x * 0.5 * (1 +")
  .replace("(x + 0.044715 * torch.pow(x, 3))", "(z + 0.044715 * torch.pow(z, 3))")
  .replace("torch.matmul(q, torch.transpose(k, 2, 3))", "self.halves(q, torch.transpose(k, 2, 3))")
  .replace(/torch\.matmul\((torch\.softmax.*), v\)/, "self.halves($1, v)");

describe("AttnLRP on random GPT-2 models", () => {
  it("is the gradient of the function with constant factors", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [family, twin] = (await randomModels(size, seed, GPT2, LRP_TWIN)) as [NativeModel, NativeModel];
        const ids = randomIds(length, size.vocabulary, seed);
        const expected = await run(twin, gradientPlan(ids, prompt, { engine: "plain", step: LOGIT }));
        for (const engine of ["ragged", "plain"] as const) {
          const actual = await run(family, { ...gradientPlan(ids, prompt, { engine, step: LOGIT }), rules: "attnlrp" });
          expect(relativeError(actual.data, expected.data), engine).toBeLessThan(1e-5);
        }
        family.dispose();
        twin.dispose();
      }),
      RUNS,
    );
  });
});

describe("inside random GPT-2 models", () => {
  const own = /def attention\([\s\S]*$/;
  const plain = GPT2.replace(own, readFileSync(new URL("twin_gpt2_internals.py", import.meta.url), "utf8"));

  it("attention and zeroed values are those of plain ATen", async () => {
    expect(plain).not.toBe(GPT2);
    await fc.assert(
      fc.asyncProperty(sizes, lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [family, twin] = (await randomModels(size, seed, GPT2, plain)) as [NativeModel, NativeModel];
        const ids = randomIds(length, size.vocabulary, seed);
        const base = { ids, promptLength: prompt, step: PROBABILITY, stepScores: [], memoryBudget: 2 ** 30 };
        for (const internals of ["attention", "value_zeroing"] as const) {
          const plan: AttributionPlan = {
            ...base,
            kind: "internals",
            internals,
            engine: "auto",
            layers: new Int32Array(),
            heads: Int32Array.from(seed % 3 === 0 ? [] : [seed % size.heads]),
            mean: false,
          };
          const [actual, expected] = [await run(family, plan), await run(twin, plan)];
          // Distances of value zeroing are differences of cosines from one, shares of their sum.
          const tolerance = internals === "attention" ? 1e-5 : 1e-3;
          expect(relativeError(actual.data, expected.data), internals).toBeLessThan(tolerance);
        }
        family.dispose();
        twin.dispose();
      }),
      RUNS,
    );
  });
});
