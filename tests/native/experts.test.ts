import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NativeModel } from "../../src/native.js";
import { LOGIT, rulesPlan, run, straightPlan } from "../methods/plans.js";
import { attnLrp } from "./lrp-twin.js";
import { gradientPlan, MIXTURE, randomIds, randomModels, relativeError, type Sizes, TWIN } from "./random-model.js";

// Mixtures of experts, of which each row uses some, against every expert at every row in plain ATen.

const MIXTURE_TWIN = `${TWIN.replace(
  /gate_up = torch\.linear\(self\.norm\(x, self\.mlp_norm[\s\S]*?self\.down\[i\]\)/,
  "x = x + self.mixture(i, self.norm(x, self.mlp_norm[i]))",
)}\n${readFileSync(new URL("twin_experts.py", import.meta.url), "utf8")}`;

const sizes = fc
  .record({
    layers: fc.integer({ min: 1, max: 2 }),
    heads: fc.integer({ min: 1, max: 3 }),
    width: fc.integer({ min: 8, max: 40 }),
    hidden: fc.integer({ min: 2, max: 30 }),
    count: fc.integer({ min: 1, max: 6 }),
    used: fc.integer({ min: 1, max: 6 }),
    normalised: fc.boolean(),
    shared: fc.constantFrom(0, 0, 5, 20),
  })
  .map(
    ({ count, used, normalised, shared, ...size }): Sizes => ({
      ...size,
      kvHeads: size.heads,
      headDim: 4,
      vocabulary: 40,
      context: 96,
      experts: { count, used: Math.min(used, count), normalised, shared },
    }),
  );

const holds = (
  sources: string[],
  check: (models: NativeModel[], text: { ids: Int32Array; promptLength: number }) => Promise<void>,
) =>
  fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 2, max: 30 }), fc.nat({ max: 2 ** 30 }), async (size, length, seed) => {
      const models = await randomModels(size, seed, ...sources);
      await check(models, { ids: randomIds(length, 40, seed), promptLength: Math.ceil(length / 2) });
      for (const model of models) model.dispose();
    }),
    { numRuns: 20, seed: 20261125 },
  );

describe("mixtures of experts on random models", () => {
  it("have the gradients of plain ATen, packed, batched and looped, and along a path", async () => {
    await holds([MIXTURE, MIXTURE_TWIN], async ([model, twin], text) => {
      const plan = gradientPlan(text.ids, text.promptLength, { step: LOGIT, stepScores: [LOGIT] });
      const expected = await run(twin as NativeModel, { ...plan, engine: "plain" });
      for (const engine of ["ragged", "batched", "plain"] as const) {
        const actual = await run(model as NativeModel, { ...plan, engine });
        expect(relativeError(actual.scores, expected.scores), engine).toBeLessThan(2e-5);
      }
      const path = straightPlan(text, 3);
      const along = await run(twin as NativeModel, { ...path, engine: "plain" });
      expect(relativeError((await run(model as NativeModel, path)).scores, along.scores)).toBeLessThan(5e-5);
    });
  });

  it("have the relevance of plain ATen with constant factors (AttnLRP)", async () => {
    const twin = attnLrp(MIXTURE_TWIN).replace("return w * y", "return self.evenly(w, y)");
    await holds([MIXTURE, twin], async ([model, plain], text) => {
      const plan = { ...rulesPlan(text, "gradient", undefined, LOGIT), engine: "plain" } as const;
      const expected = await run(plain as NativeModel, plan);
      const actual = await run(model as NativeModel, rulesPlan(text, "attnlrp", undefined, LOGIT));
      expect(relativeError(actual.scores, expected.scores)).toBeLessThan(5e-5);
    });
  });

  it("are refused by DeepLIFT before any work, by name", async () => {
    await holds([MIXTURE], async ([model], text) => {
      await expect(run(model as NativeModel, rulesPlan(text, "deeplift"))).rejects.toMatchObject({
        code: "ERR_TOKENLENSE_CAPABILITY",
        message: expect.stringContaining("mixture of experts") as string,
        hint: expect.stringContaining("integrated_gradients") as string,
      });
    });
  });
});
