import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { AttributionPlan, NativeModel } from "../../src/native.js";
import { internalsPlan, LOGIT, occlusionPlan, rulesPlan, run, straightPlan } from "../methods/plans.js";
import { LRP_TWIN } from "./lrp-twin.js";
import { FAMILY, gradientPlan, randomIds, randomModels, relativeError, type Sizes, TWIN } from "./random-model.js";

// What families do to attention's queries, keys and scores, and to the MLP's gate, in every combination, against the same in plain ATen.

const sizes = fc
  .record({
    layers: fc.integer({ min: 1, max: 3 }),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    headDim: fc.integer({ min: 2, max: 10 }),
    width: fc.integer({ min: 8, max: 40 }),
    hidden: fc.integer({ min: 2, max: 40 }),
    rotary: fc.nat({ max: 5 }),
    attention: fc.record(
      {
        window: fc.integer({ min: 1, max: 40 }),
        scale: fc.double({ min: 0.1, max: 1, noNaN: true }),
        softcap: fc.double({ min: 1, max: 5, noNaN: true }),
        bias: fc.boolean(),
        qkvBias: fc.boolean(),
        norms: fc.constantFrom("heads" as const, "all" as const),
        activation: fc.constantFrom("silu", "relu", "gelu", "gelu_tanh"),
      },
      { requiredKeys: [] },
    ),
  })
  .map(
    ({ group, rotary, attention, ...size }): Sizes => ({
      ...size,
      heads: size.kvHeads * group,
      vocabulary: 40,
      context: 160,
      attention: { ...attention, rotary: 2 * Math.min(rotary, Math.floor(size.headDim / 2)) },
    }),
  );
const lengths = fc
  .oneof(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 62, max: 68 }), fc.integer({ min: 96, max: 140 }))
  .chain((length) => fc.record({ length: fc.constant(length), prompt: fc.integer({ min: 1, max: length - 1 }) }));

type Check = (models: NativeModel[], text: { ids: Int32Array; promptLength: number }, size: Sizes) => Promise<void>;

/** The check on random models and texts. */
const holds = (sources: string[], check: Check, runs = 30) =>
  fc.assert(
    fc.asyncProperty(sizes, lengths, fc.nat({ max: 2 ** 30 }), async (size, { length, prompt }, seed) => {
      const models = await randomModels(size, seed, ...sources);
      await check(models, { ids: randomIds(length, size.vocabulary, seed), promptLength: prompt }, size);
      for (const model of models) model.dispose();
    }),
    { numRuns: runs, seed: 20261125 },
  );

describe("attention's variants on random models", () => {
  it("have the gradients of plain ATen, packed, batched and looped", async () => {
    await holds([FAMILY, TWIN], async ([model, twin], { ids, promptLength }) => {
      const plan = gradientPlan(ids, promptLength, { step: LOGIT, stepScores: [LOGIT] });
      const expected = await run(twin as NativeModel, { ...plan, engine: "plain" });
      for (const engine of ["ragged", "batched", "plain"] as const) {
        const actual = await run(model as NativeModel, { ...plan, engine });
        expect(relativeError(actual.scores, expected.scores), engine).toBeLessThan(2e-5);
        expect(
          relativeError(actual.stepScores.logit as Float32Array, expected.stepScores.logit as Float32Array),
        ).toBeLessThan(1e-5);
      }
    });
  });

  // Where the processor has tiles, packed cotangents of this many positions go by them. Sequential paths ask for the last rows only.
  it("are the same packed as batched, with wide heads in longer texts", { timeout: 300_000 }, async () => {
    const shape = fc.record({
      length: fc.integer({ min: 96, max: 140 }),
      headDim: fc.constantFrom(30, 64, 70),
      kvHeads: fc.integer({ min: 1, max: 2 }),
      group: fc.integer({ min: 1, max: 2 }),
      window: fc.constantFrom(0, 50),
      softcap: fc.constantFrom(0, 3),
      outputs: fc.integer({ min: 1, max: 3 }),
      seed: fc.nat({ max: 2 ** 30 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ length, headDim, kvHeads, group, window, softcap, outputs, seed }) => {
        const attention = { ...(window > 0 && { window }), ...(softcap > 0 && { softcap }) };
        const size = { layers: 2, heads: kvHeads * group, kvHeads, headDim, width: 24, hidden: 32, vocabulary: 40 };
        const [model] = await randomModels({ ...size, context: 160, attention }, seed, FAMILY);
        const text = { ids: randomIds(length, size.vocabulary, seed), promptLength: length - outputs };
        const plans: AttributionPlan[] = [
          rulesPlan(text, "gradient", undefined, LOGIT),
          rulesPlan(text, "attnlrp", undefined, LOGIT),
          { ...straightPlan(text, 1), path: "sequential", step: LOGIT },
        ];
        for (const plan of plans) {
          const packed = await run(model as NativeModel, { ...plan, engine: "ragged" });
          const batched = await run(model as NativeModel, { ...plan, engine: "batched" });
          expect(relativeError(packed.scores, batched.scores), plan.kind).toBeLessThan(5e-5);
        }
        model?.dispose();
      }),
      { numRuns: 12, seed: 20261127 },
    );
  });

  it("have the relevance of plain ATen with constant factors (AttnLRP)", async () => {
    await holds([FAMILY, LRP_TWIN], async ([model, twin], text) => {
      const expected = await run(twin as NativeModel, {
        ...rulesPlan(text, "gradient", undefined, LOGIT),
        engine: "plain",
      });
      for (const engine of ["ragged", "plain"] as const) {
        const actual = await run(model as NativeModel, { ...rulesPlan(text, "attnlrp", undefined, LOGIT), engine });
        expect(relativeError(actual.scores, expected.scores), engine).toBeLessThan(5e-5);
      }
    });
  });

  it("keep DeepLIFT complete, packed as by libtorch's engine", async () => {
    await holds([FAMILY], async ([model], text, size) => {
      const baseline = {
        kind: "ids",
        ids: randomIds(text.ids.length, size.vocabulary, text.ids[0] as number),
      } as const;
      const plan = rulesPlan(text, "deeplift", baseline, LOGIT);
      const packed = await run(model as NativeModel, { ...plan, engine: "ragged" });
      const plain = await run(model as NativeModel, { ...plan, engine: "plain" });
      const scale = packed.scores.reduce((most, score) => Math.max(most, Math.abs(score)), 1);
      for (const delta of packed.deltas ?? [Number.NaN]) expect(Math.abs(delta) / scale).toBeLessThan(1e-4);
      expect(relativeError(packed.scores, plain.scores)).toBeLessThan(1e-4);
    });
  });

  it("are the same in paths, and where keys and values are cached", async () => {
    await holds(
      [FAMILY, TWIN],
      async ([model, twin], text) => {
        const plans: AttributionPlan[] = [straightPlan(text, 3), occlusionPlan(text, 1, { kind: "zero" })];
        for (const plan of plans) {
          const actual = await run(model as NativeModel, plan);
          const expected = await run(twin as NativeModel, { ...plan, engine: plan.kind === "path" ? "plain" : "auto" });
          expect(relativeError(actual.scores, expected.scores), plan.kind).toBeLessThan(5e-5);
        }
        const generation = {
          maxNewTokens: 12,
          temperature: 0,
          topK: 0,
          topP: 1,
          seed: 0,
          stopTokens: new Int32Array(),
        };
        const continued = async (one: NativeModel) =>
          (await native().generate(one, [{ ids: text.ids, ...generation }]).promise).map((ids) => [...ids]);
        expect(await continued(model as NativeModel)).toEqual(await continued(twin as NativeModel));
      },
      15,
    );
  });

  it("show the probabilities and zeroed values of plain ATen", async () => {
    const pieces = ["rotate", "split", "capped", "unseen"].map(
      (name) => TWIN.match(new RegExp(`def ${name}\\([\\s\\S]*?\\n\\n`))?.[0] as string,
    );
    const internals = readFileSync(new URL("twin_internals.py", import.meta.url), "utf8");
    const plain = `${FAMILY.replace(/def attention\([\s\S]*$/, "")}\n${pieces.join("")}${internals}`;
    await holds(
      [FAMILY, plain],
      async ([model, twin], text) => {
        for (const kind of ["attention", "value_zeroing"] as const) {
          const plan = internalsPlan(text, kind, false);
          const [actual, expected] = [await run(model as NativeModel, plan), await run(twin as NativeModel, plan)];
          // Distances of value zeroing are differences of cosines from one, shares of their sum.
          const tolerance = kind === "attention" ? 1e-5 : 1e-3;
          expect(relativeError(actual.scores, expected.scores), kind).toBeLessThan(tolerance);
        }
      },
      15,
    );
  });
});
