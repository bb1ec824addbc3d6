import fc from "fast-check";
import { expect, it } from "vitest";
import type { NativeModel } from "../../src/native.js";
import { LRP_TWIN } from "../native/lrp-twin.js";
import { FAMILY, randomIds, randomModels, relativeError } from "../native/random-model.js";
import { LOGIT, rulesPlan, run, SMALL } from "./plans.js";

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
