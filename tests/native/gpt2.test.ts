import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { AttributionPlan, BaselinePlan, GradientPlan, NativeModel } from "../../src/native.js";
import { resolveStep } from "../../src/steps/index.js";
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

const logit = resolveStep("logit").spec;

// What GPT-2's own operators do beside gradients (engines.test.ts): relevance rules, attention and zeroed values.

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

type Rules = { rules: GradientPlan["rules"]; baseline?: BaselinePlan } & Partial<Omit<GradientPlan, "kind" | "rules">>;
const relevancePlan = (ids: Int32Array, prompt: number, { rules, baseline, ...options }: Rules): GradientPlan => ({
  ...gradientPlan(ids, prompt, options),
  rules,
  ...(baseline ? { baseline } : {}),
});

/** Numbers of runs small enough for one CI job; seeds fixed. */
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

describe("relevance rules on random GPT-2 models", () => {
  it("AttnLRP is the gradient of the function with constant factors", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [family, twin] = (await randomModels(size, seed, GPT2, LRP_TWIN)) as [NativeModel, NativeModel];
        const ids = randomIds(length, size.vocabulary, seed);
        const expected = await run(twin, gradientPlan(ids, prompt, { engine: "plain", step: logit }));
        for (const engine of ["ragged", "plain"] as const) {
          const actual = await run(family, relevancePlan(ids, prompt, { rules: "attnlrp", engine, step: logit }));
          expect(relativeError(actual.data, expected.data), engine).toBeLessThan(1e-5);
        }
        family.dispose();
        twin.dispose();
      }),
      RUNS,
    );
  });

  it("DeepLIFT's scores add up to the difference from the baseline, packed or not", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [model] = (await randomModels(size, seed, GPT2)) as [NativeModel];
        const ids = randomIds(length, size.vocabulary, seed);
        const others: BaselinePlan = { kind: "ids", ids: randomIds(length, size.vocabulary, seed + 1) };
        for (const baseline of [{ kind: "zero" } as const, others]) {
          const rules: Rules = { rules: "deeplift", baseline, multiplyByInput: true, step: logit };
          const packed = await run(model, relevancePlan(ids, prompt, { ...rules, engine: "ragged" }));
          const plain = await run(model, relevancePlan(ids, prompt, { ...rules, engine: "plain" }));
          expect(relativeError(packed.data, plain.data)).toBeLessThan(1e-5);
          const outputs = length - prompt;
          const sizeOf = (output: number) => {
            let sum = 0;
            for (let position = 0; position < length; position++)
              for (let i = 0; i < size.width; i++)
                sum += Math.abs(packed.data[(position * outputs + output) * size.width + i] as number);
            return sum;
          };
          const deltas = packed.deltas?.data() as Float32Array;
          // Rounding is of what was summed, and of logits of a few units.
          for (const [output, delta] of deltas.entries())
            expect(Math.abs(delta)).toBeLessThan(1e-5 * (1 + sizeOf(output)));
        }
        model.dispose();
      }),
      RUNS,
    );
  });

  it("DeepLIFT's multipliers are the gradient where the baseline is the text itself", async () => {
    await fc.assert(
      fc.asyncProperty(sizes, lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [model] = (await randomModels(size, seed, GPT2)) as [NativeModel];
        const ids = randomIds(length, size.vocabulary, seed);
        const gradient = await run(model, gradientPlan(ids, prompt));
        const same = relevancePlan(ids, prompt, { rules: "deeplift", baseline: { kind: "ids", ids } });
        expect(relativeError((await run(model, same)).data, gradient.data)).toBeLessThan(1e-5);
        model.dispose();
      }),
      RUNS,
    );
  });
});

describe("inside random GPT-2 models", () => {
  const own = /def attention\([\s\S]*?(?=\ndef final\()/;
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
