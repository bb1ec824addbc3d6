import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generate } from "../../src/generate.js";
import { native } from "../../src/install/binding.js";
import { loadModel, type Model } from "../../src/models/model.js";
import type { NativeModel } from "../../src/native.js";
import { LOGIT } from "../methods/plans.js";
import { gradientPlan, relativeError } from "../native/random-model.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyCase, type FamilyGolden, familyGguf, writeFamilyFolder } from "./family-files.js";
import { writeGguf } from "./gguf-writer.js";
import { tokenLogits } from "./logits.js";

// Goldens by tests/goldens/families.py. There all prompts of a family are one left-padded batch, and the script holds that to each alone.
// Some of these models have outputs whose float32 gradients are 1e-5 from float64's in transformers too: ours may be 1e-5 further.

const TOLERANCE = 1e-5;

const folder = temporaryFolder();
let count = 0;
const fresh = (suffix = "") => join(folder, `model${count++}${suffix}`);

async function gradient(model: NativeModel, { ids, top }: FamilyCase, engine: "ragged" | "batched") {
  const plan = gradientPlan(Int32Array.from([...ids, top]), ids.length, { step: LOGIT, stepScores: [LOGIT], engine });
  const { scores, stepScores } = await native().attribute(model, plan).promise;
  const data = scores.data() as Float32Array;
  return { gradient: data.subarray(0, data.length - data.length / (ids.length + 1)), stepScores };
}

async function expectTransformers(model: Model, { cases, float32, greedy }: FamilyGolden): Promise<void> {
  const compare = (what: keyof typeof float32, actual: ArrayLike<number>, expected: number[], of = what as string) =>
    expect(relativeError(actual, expected), of).toBeLessThan(TOLERANCE + float32[what]);
  for (const one of cases) {
    const ids = Int32Array.from(one.ids);
    if (ids.length > 1) {
      const found = await tokenLogits(model, ids);
      compare("logits", found.logit, one.logit);
      compare("logits", found.normaliser, one.normaliser.slice(0, -1));
    }
    for (const engine of ["ragged", "batched"] as const) {
      const found = await gradient(model.native, one, engine);
      compare("logits", found.stepScores.logit?.data() as Float32Array, [one.last[one.top] as number]);
      compare("gradients", found.gradient, one.gradient, `gradients, ${engine}`);
    }
  }
  // With the key/value cache, where transformers ran without.
  const prompt = Int32Array.from((cases[1] as FamilyCase).ids);
  const { ids } = await generate({ model, promptIds: prompt, maxNewTokens: greedy.length });
  expect([...ids]).toEqual(greedy);
}

describe.each(FAMILY_GOLDENS)("$name: transformers' logits, input gradients and greedy continuation", (golden) => {
  test("from a folder", async () => {
    using model = await loadModel(writeFamilyFolder(fresh(), golden), { device: "cpu" });
    await expectTransformers(model, golden);
  });

  if (golden.gguf)
    test("from GGUF", async () => {
      const path = fresh(".gguf");
      writeGguf(path, familyGguf(golden));
      using model = await loadModel(path, { device: "cpu" });
      await expectTransformers(model, golden);
    });
});
