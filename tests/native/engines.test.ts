import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { GradientPlan, NativeModel } from "../../src/native.js";
import {
  FAMILY,
  GPT2,
  GPT2_TWIN,
  gradientPlan,
  randomIds,
  randomModels,
  relativeError,
  type Sizes,
  TWIN,
} from "./random-model.js";

/** Rotary embeddings turn pairs of dimensions; without them a head may have an odd number. */
const sizesWith = ({ rotary }: { rotary: boolean }) =>
  fc
    .record({
      layers: fc.integer({ min: 1, max: 3 }),
      kvHeads: fc.integer({ min: 1, max: 3 }),
      group: fc.integer({ min: 1, max: 3 }),
      dim: fc.integer({ min: 1, max: 5 }),
      // Narrower ones are ill-conditioned: a norm of three numbers can be near zero, and dividing by it blows rounding up.
      width: fc.integer({ min: 8, max: 40 }),
      // Products with a wide matrix go another way (native/autograd/gemm.cc).
      hidden: fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 50 }) }, fc.integer({ min: 1020, max: 1100 })),
      vocabulary: fc.integer({ min: 2, max: 60 }),
    })
    .map(({ kvHeads, group, dim, ...rest }) => ({
      ...rest,
      kvHeads,
      heads: kvHeads * group,
      headDim: rotary ? 2 * dim : 2 * dim - 1,
      context: 256,
    }));
// Lengths around the attention kernel's block of 64 rows are the ones that can go wrong.
const lengths = fc
  .oneof(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 60, max: 70 }), fc.integer({ min: 126, max: 131 }))
  .chain((length) => fc.record({ length: fc.constant(length), prompt: fc.integer({ min: 1, max: length - 1 }) }));

const FAMILIES = [
  { name: "Llama", source: FAMILY, plain: TWIN, rotary: true },
  { name: "GPT-2", source: GPT2, plain: GPT2_TWIN, rotary: false },
];

async function run(model: NativeModel, plan: GradientPlan) {
  const result = await native().attribute(model, plan).promise;
  return { ...result, data: result.scores.data() as Float32Array };
}

describe.each(FAMILIES)("gradients on random $name models", ({ source, plain, rotary }) => {
  const modelAndTwin = async (size: Sizes, seed: number) =>
    (await randomModels(size, seed, source, plain)) as [NativeModel, NativeModel];
  const modelAlone = async (size: Sizes, seed: number) => (await randomModels(size, seed, source))[0] as NativeModel;

  it("are the same from packed, batched and looped products, with own operators and with plain ATen", async () => {
    await fc.assert(
      fc.asyncProperty(sizesWith({ rotary }), lengths, fc.nat(), async (size, { length, prompt }, seed) => {
        const [family, twin] = await modelAndTwin(size, seed);
        const ids = randomIds(length, size.vocabulary, seed);
        const expected = await run(twin, gradientPlan(ids, prompt, { engine: "plain" }));
        expect(expected.scores.shape).toEqual([length, length - prompt, size.width]);
        expect(expected.stats.engine).toBe("plain");
        for (const [model, engine] of [
          [family, "ragged"],
          [family, "plain"],
          [family, "batched"],
          [twin, "batched"],
        ] as const) {
          const actual = await run(model, gradientPlan(ids, prompt, { engine }));
          expect(actual.stats.engine).toBe(engine);
          expect(relativeError(actual.data, expected.data), engine).toBeLessThan(1e-5);
          expect(
            relativeError(
              actual.stepScores.probability?.data() as Float32Array,
              expected.stepScores.probability?.data() as Float32Array,
            ),
          ).toBeLessThan(1e-5);
        }
        family.dispose();
        twin.dispose();
      }),
      { numRuns: 40, seed: 20261124 },
    );
  });

  it("are the same where products are deeper than one chain of additions", async () => {
    // Chains are of 96 terms forward and of 2304 backward; none of these sizes is a multiple of either.
    const size = {
      layers: 2,
      heads: 3,
      kvHeads: 1,
      headDim: 50,
      width: 200,
      hidden: 310,
      vocabulary: 5000,
      context: 64,
    };
    const [family, twin] = await modelAndTwin(size, 21);
    const ids = randomIds(60, 5000, 22);
    const expected = await run(twin, gradientPlan(ids, 27, { engine: "plain" }));
    for (const engine of ["ragged", "plain", "batched"] as const) {
      const actual = await run(family, gradientPlan(ids, 27, { engine }));
      expect(relativeError(actual.data, expected.data), engine).toBeLessThan(1e-5);
    }
    family.dispose();
    twin.dispose();
  });

  it("do not depend on how memory cuts them into blocks and batches", async () => {
    const size = { layers: 3, heads: 4, kvHeads: 2, headDim: 16, width: 64, hidden: 128, vocabulary: 50, context: 256 };
    const model = await modelAlone(size, 3);
    const ids = randomIds(200, 50, 4);
    const whole = await run(model, gradientPlan(ids, 20, { reduce: "l2" }));
    const error = await native()
      .attribute(model, gradientPlan(ids, 20, { reduce: "l2", memoryBudget: 1 }))
      .promise.then(
        () => undefined,
        (e) => e,
      );
    expect(error.code).toBe("ERR_TOKENLENSE_MEMORY");
    const least = Number(/needs at least (\d+) MiB/.exec(error.message)?.[1]) * 2 ** 20;
    const cut = await run(model, gradientPlan(ids, 20, { reduce: "l2", memoryBudget: least }));
    expect(cut.stats.block).toBeLessThan(whole.stats.block);
    expect(cut.stats.plannedBytes).toBeLessThanOrEqual(least);
    expect(relativeError(cut.data, whole.data)).toBeLessThan(1e-5);
  });

  it("reduce over the embedding as the definitions say", async () => {
    const size = { layers: 2, heads: 2, kvHeads: 1, headDim: 8, width: 12, hidden: 20, vocabulary: 30, context: 64 };
    const model = await modelAlone(size, 5);
    const ids = randomIds(9, 30, 6);
    for (const multiplyByInput of [false, true]) {
      const full = await run(model, gradientPlan(ids, 4, { multiplyByInput }));
      const rows = Array.from({ length: 9 * 5 }, (_, i) => full.data.subarray(i * 12, (i + 1) * 12));
      const l2 = await run(model, gradientPlan(ids, 4, { multiplyByInput, reduce: "l2" }));
      const sum = await run(model, gradientPlan(ids, 4, { multiplyByInput, reduce: "sum" }));
      expect(l2.scores.shape).toEqual([9, 5]);
      expect(
        relativeError(
          l2.data,
          rows.map((row) => Math.hypot(...row)),
        ),
      ).toBeLessThan(1e-6);
      // A layer norm leaves no mean, so sums may be all but zero: what they are rounded by is the size of what was summed.
      const sizes = rows.map((row) => row.reduce((a, b) => a + Math.abs(b), 0));
      const differences = rows.map((row, i) => (sum.data[i] as number) - row.reduce((a, b) => a + b, 0));
      expect(Math.max(...differences.map(Math.abs)) / Math.max(...sizes)).toBeLessThan(1e-6);
    }
    const gradient = await run(model, gradientPlan(ids, 4));
    const product = await run(model, gradientPlan(ids, 4, { multiplyByInput: true }));
    expect(relativeError(product.data, gradient.data)).toBeGreaterThan(1e-3); // the embedding is not one
  });

  it("are zero where a position does not come before the output, and only there", async () => {
    const size = { layers: 2, heads: 2, kvHeads: 2, headDim: 8, width: 16, hidden: 24, vocabulary: 30, context: 64 };
    const model = await modelAlone(size, 8);
    const { data } = await run(model, gradientPlan(randomIds(12, 30, 9), 5, { reduce: "l2" }));
    for (let position = 0; position < 12; position++)
      for (let output = 0; output < 7; output++)
        expect((data[position * 7 + output] as number) > 0, `${position},${output}`).toBe(position < 5 + output);
  });

  it("are refused at a layer that the model does not have", async () => {
    const size = { layers: 2, heads: 2, kvHeads: 2, headDim: 8, width: 16, hidden: 24, vocabulary: 30, context: 64 };
    const model = await modelAlone(size, 8);
    const plan = gradientPlan(randomIds(12, 30, 9), 5, { layer: 2 });
    await expect(run(model, plan)).rejects.toMatchObject({ code: "ERR_TOKENLENSE_INPUT", message: /no layer 2/ });
  });

  it("agree with finite differences of the step function", async () => {
    // A perturbed copy of the embedding table is a perturbed input: token 0 stands at one position only.
    const size = { layers: 2, heads: 2, kvHeads: 1, headDim: 8, width: 12, hidden: 16, vocabulary: 40, context: 64 };
    const model = await modelAlone(size, 11);
    const ids = Int32Array.from([5, 7, 0, 3, 9, 12]);
    const gradient = await run(model, gradientPlan(ids, 4));
    for (const dimension of [0, 5, 11]) {
      const step = 1e-2;
      const at = async (sign: number) => {
        const perturbed = source.replace(
          "return torch.embedding(self.embedding, ids).float()",
          `e = torch.embedding(self.embedding, ids)\n    e[:, 2, ${dimension}] += ${sign * step}\n    return e`,
        );
        const [moved] = (await randomModels(size, 11, perturbed)) as [NativeModel];
        const { stepScores } = await run(moved, gradientPlan(ids, 4));
        return stepScores.probability?.data() as Float32Array;
      };
      const [up, down] = [await at(1), await at(-1)];
      for (const output of [0, 1]) {
        const slope = ((up[output] as number) - (down[output] as number)) / (2 * step);
        expect(Math.abs(slope - (gradient.data[(2 * 2 + output) * 12 + dimension] as number))).toBeLessThan(2e-4);
      }
    }
  });
});
