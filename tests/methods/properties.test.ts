import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BaselinePlan, NativeModel } from "../../src/native.js";
import { FAMILY, GPT2, GPT2_TWIN, randomIds, randomModels, relativeError, TWIN } from "../native/random-model.js";
import {
  base,
  internalsPlan,
  LOGIT,
  occlusionPlan,
  rulesPlan,
  run,
  SMALL,
  sizesFor,
  straightPlan,
  sumOf,
  type Text,
} from "./plans.js";

const families = [
  ["llama", FAMILY, TWIN],
  ["gpt2", GPT2, GPT2_TWIN],
] as const;

const texts = fc
  .integer({ min: 2, max: 24 })
  .chain((length) => fc.record({ length: fc.constant(length), promptLength: fc.integer({ min: 1, max: length - 1 }) }));
const seeds = fc.nat({ max: 2 ** 30 });

const textOf = ({ length, promptLength }: { length: number; promptLength: number }, seed: number): Text => ({
  ids: randomIds(length, SMALL.vocabulary, seed),
  promptLength,
});

/** Random tokens in place of each. */
const tokensBaseline = ({ ids }: Text, seed: number): BaselinePlan => ({
  kind: "ids",
  ids: randomIds(ids.length, SMALL.vocabulary, seed + 1),
});

const largest = (values: ArrayLike<number>) => Math.max(...Array.from(values, Math.abs));

describe.each(families)("%s", (family, source, twinSource) => {
  const sizes = sizesFor(family, SMALL);

  async function eachText(
    count: number,
    body: (text: Text, seed: number, models: [NativeModel, NativeModel]) => Promise<void>,
  ): Promise<void> {
    await fc.assert(
      fc.asyncProperty(texts, seeds, async (shape, seed) => {
        const models = (await randomModels(sizes, seed, source, twinSource)) as [NativeModel, NativeModel];
        try {
          await body(textOf(shape, seed), seed, models);
        } finally {
          for (const model of models) model.dispose();
        }
      }),
      { numRuns: count, seed: 20261124 },
    );
  }

  it("DeepLIFT is complete: scores add up to the step function's change from the baseline", async () => {
    await eachText(25, async (text, seed, [model]) => {
      for (const baseline of [{ kind: "zero" }, { kind: "mean" }, tokensBaseline(text, seed)] as BaselinePlan[]) {
        const outcome = await run(model, rulesPlan(text, "deeplift", baseline));
        const scale = Math.max(1e-3, largest(outcome.scores));
        expect(largest(outcome.deltas ?? [Number.NaN]) / scale, baseline.kind).toBeLessThan(1e-4);
      }
    });
  });

  it("DeepLIFT's deltas are what they say: the scores' sum less the change", async () => {
    await eachText(8, async (text, seed, [model]) => {
      const baseline = tokensBaseline(text, seed) as { kind: "ids"; ids: Int32Array };
      const outcome = await run(model, rulesPlan(text, "deeplift", baseline, LOGIT));
      // The same function at the baseline, with the outputs' own tokens as targets.
      for (let output = 0; output < text.ids.length - text.promptLength; output++) {
        const position = text.promptLength + output;
        const replaced = Int32Array.from([...baseline.ids.subarray(0, position), text.ids[position] as number]);
        const there = await run(model, {
          ...base({ ids: replaced, promptLength: position }, LOGIT),
          kind: "perturbation",
          perturbation: "none",
        });
        const change = (outcome.stepScores.logit?.[output] as number) - (there.stepScores.logit?.[0] as number);
        expect(Math.abs(sumOf(outcome, output) - change)).toBeLessThan(1e-4 * Math.max(1, Math.abs(change)));
      }
    });
  });

  it("integrated gradients become complete as steps are added", async () => {
    await eachText(8, async (text, seed, [model]) => {
      const baseline = tokensBaseline(text, seed);
      const outcome = await run(model, straightPlan(text, 300, baseline));
      expect(largest(outcome.deltas ?? [Number.NaN])).toBeLessThan(2e-3);
      for (let output = 0; output < text.ids.length - text.promptLength; output++) {
        const delta = outcome.deltas?.[output] as number;
        expect(Math.abs(delta)).toBeLessThan(2e-3);
      }
    });
  });

  it("integrated gradients to a tolerance keep it, by fewer steps than the most", async () => {
    await eachText(8, async (text, seed, [model]) => {
      const baseline = tokensBaseline(text, seed);
      const tolerance = 0.01;
      const outcome = await run(model, { ...straightPlan(text, 1000, baseline), tolerance });
      const exact = await run(model, straightPlan(text, 400, baseline));
      for (let output = 0; output < text.ids.length - text.promptLength; output++) {
        const change = sumOf(exact, output) - (exact.deltas?.[output] as number);
        const steps = outcome.steps?.[output] as number;
        expect(steps).toBeGreaterThanOrEqual(4);
        expect(steps).toBeLessThanOrEqual(1000);
        if (steps <= 250)
          // else doubtful strata may have had no room to be cut
          expect(Math.abs(outcome.deltas?.[output] as number)).toBeLessThanOrEqual(tolerance * Math.abs(change) + 1e-6);
      }
      // A tolerance bounds the sum; what one position gets is then near too.
      expect(relativeError(outcome.scores, exact.scores)).toBeLessThan(0.1);
    });
  });

  it("a baseline equal to the input attributes nothing", async () => {
    await eachText(6, async (text, _, [model]) => {
      const same: BaselinePlan = { kind: "ids", ids: text.ids };
      for (const plan of [rulesPlan(text, "deeplift", same), straightPlan(text, 5, same), occlusionPlan(text, 1, same)])
        expect(largest((await run(model, plan)).scores)).toBeLessThan(1e-6);
    });
  });

  it("where input and baseline are equal, DeepLIFT's multipliers are the gradient", async () => {
    await eachText(6, async (text, _, [model]) => {
      const gradient = { ...rulesPlan(text, "gradient"), multiplyByInput: false };
      const multipliers = {
        ...rulesPlan(text, "deeplift", { kind: "ids", ids: text.ids }),
        multiplyByInput: false,
      };
      expect(relativeError((await run(model, multipliers)).scores, (await run(model, gradient)).scores)).toBeLessThan(
        1e-4,
      );
    });
  });

  it.each(["deeplift", "attnlrp"] as const)("%s is the same packed as by libtorch's engine", async (rules) => {
    await eachText(12, async (text, seed, [model]) => {
      const plan = rulesPlan(text, rules, tokensBaseline(text, seed), LOGIT);
      const expected = await run(model, { ...plan, engine: "plain" });
      for (const engine of ["ragged", "batched"] as const) {
        const actual = await run(model, { ...plan, engine });
        expect(actual.engine).toBe(engine);
        expect(relativeError(actual.scores, expected.scores), engine).toBeLessThan(2e-5);
        expect(largest(actual.deltas as Float32Array) - largest(expected.deltas as Float32Array)).toBeLessThan(1e-3);
      }
    });
  });

  it("paths are the same packed, by libtorch's engine, and in plain ATen with the minimal contract", async () => {
    await eachText(8, async (text, seed, [model, twin]) => {
      const baseline = tokensBaseline(text, seed);
      const common = { layer: 0, baseline, multiplyByInput: true, reduce: "none" } as const;
      for (const plan of [
        straightPlan(text, 7, baseline),
        { ...base(text), ...common, kind: "path", path: "sequential", rule: "riemann_middle", steps: 3 } as const,
        {
          ...base(text),
          ...common,
          kind: "path",
          path: "random",
          coefficients: Float64Array.of(0.1, 0.5, 0.9),
          noise: 0.2,
          seed,
        } as const,
      ]) {
        const expected = await run(twin, { ...plan, engine: "plain" });
        expect(relativeError((await run(model, plan)).scores, expected.scores), plan.path).toBeLessThan(3e-5);
        expect(relativeError((await run(model, { ...plan, engine: "batched" })).scores, expected.scores)).toBeLessThan(
          3e-5,
        );
      }
    });
  });

  it("occlusion with cached keys and values is the same as with whole sequences", async () => {
    await eachText(12, async (text, seed, [model, twin]) => {
      for (const window of [1, 3]) {
        const plan = occlusionPlan(text, window, tokensBaseline(text, seed));
        expect(relativeError((await run(model, plan)).scores, (await run(twin, plan)).scores)).toBeLessThan(1e-4);
      }
    });
  });

  it("methods at a layer are the same in every engine, and at the embeddings they are the plain ones", async () => {
    await eachText(6, async (text, seed, [model]) => {
      const baseline = tokensBaseline(text, seed);
      for (const plan of [
        rulesPlan(text, "gradient"),
        rulesPlan(text, "deeplift", baseline),
        straightPlan(text, 5, baseline),
      ]) {
        const inner = { ...plan, layer: 1 };
        const expected = await run(model, { ...inner, engine: "plain" });
        const actual = await run(model, inner);
        expect(relativeError(actual.scores, expected.scores)).toBeLessThan(2e-5);
        expect(relativeError((await run(model, plan)).scores, actual.scores)).toBeGreaterThan(1e-3);
      }
      const complete = await run(model, { ...rulesPlan(text, "deeplift", baseline), layer: 1 });
      expect(largest(complete.deltas as Float32Array) / Math.max(1e-3, largest(complete.scores))).toBeLessThan(1e-4);
    });
  });

  it("scores do not depend on how memory cuts the work", async () => {
    const [model] = (await randomModels(sizes, 5, source)) as [NativeModel];
    const text = { ids: randomIds(90, SMALL.vocabulary, 6), promptLength: 60 };
    const baseline = tokensBaseline(text, 7);
    for (const plan of [
      straightPlan(text, 6, baseline),
      { ...straightPlan(text, 40, baseline), tolerance: 0.05 },
      rulesPlan(text, "deeplift", baseline),
      occlusionPlan(text, 1, baseline),
      internalsPlan(text, "value_zeroing"),
    ]) {
      const whole = await run(model, plan);
      const error = await run(model, { ...plan, memoryBudget: 1 }).then(
        () => undefined,
        (error: Error & { code: string }) => error,
      );
      const least = Number(/needs at least (\d+) MiB/.exec(error?.message ?? "")?.[1] ?? 1) * 2 ** 20;
      const cut = await run(model, { ...plan, memoryBudget: least });
      // To a tolerance, products may keep 16 bits of their factors, by their numbers of rows.
      expect(relativeError(cut.scores, whole.scores)).toBeLessThan("tolerance" in plan ? 1e-4 : 2e-5);
    }
    model.dispose();
  });
});
