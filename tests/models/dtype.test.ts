import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { attribute } from "../../src/attribute.js";
import { generate } from "../../src/generate.js";
import { native } from "../../src/install/binding.js";
import { loadModel, type Model } from "../../src/models/model.js";
import { LOGIT } from "../methods/plans.js";
import { gradientPlan, relativeError } from "../native/random-model.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyGolden, writeFamilyFolder } from "./family-files.js";

// Weights in half the memory, all work in float32: the same as float32 weights that were rounded beforehand.

const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, `model${count++}`);
const ROUNDED = { bfloat16: "BF16", float16: "F16" } as const;

/** One family for each TorchScript source. */
const families = FAMILY_GOLDENS.filter(({ name }) =>
  ["llama", "gemma3", "olmo2", "stablelm", "qwen2 moe", "opt", "gpt-neox", "bloom"].includes(name),
);

async function scores(model: Model, { cases }: FamilyGolden, engine: "ragged" | "batched") {
  const ids = Int32Array.from(cases.at(-1)?.ids ?? []);
  const plan = gradientPlan(ids, 4, { step: LOGIT, stepScores: [LOGIT], engine });
  const { scores, stepScores } = await native().attribute(model.native, plan).promise;
  return { gradients: scores.data() as Float32Array, logits: stepScores.logit?.data() as Float32Array };
}

// Beside bfloat16 weights, products may keep 16 bits of the other factor, and 8 backward (gemm.cc). Beside float16 they keep all, but
// float32's may take another path: two float32 results apart, as those of transformers may be. Weights' own rounding is 5e-4.
const ROUNDING = { bfloat16: { logits: 1e-4, gradients: 2e-2 }, float16: { logits: 1e-5, gradients: 2e-5 } };

describe.each(["bfloat16", "float16"] as const)("weights in %s", (dtype) => {
  const rounding = ROUNDING[dtype];
  it.each(families)("of $name give what the rounded weights give in float32", async (golden) => {
    const source = writeFamilyFolder(fresh(), golden);
    using half = await loadModel(source, { device: "cpu", dtype });
    using whole = await loadModel(writeFamilyFolder(fresh(), golden, ROUNDED[dtype]), { device: "cpu" });
    expect(half.contract.dtype).toBe(dtype);
    expect(half.native.bytes).toBeLessThan(0.75 * whole.native.bytes);
    for (const engine of ["ragged", "batched"] as const) {
      const [actual, expected] = [await scores(half, golden, engine), await scores(whole, golden, engine)];
      expect(relativeError(actual.logits, expected.logits)).toBeLessThan(rounding.logits);
      expect(relativeError(actual.gradients, expected.gradients)).toBeLessThan(rounding.gradients);
    }
    const prompt = Int32Array.from(golden.cases[1]?.ids ?? []);
    const continued = async (model: Model) => [...(await generate({ model, promptIds: prompt, maxNewTokens: 8 })).ids];
    expect(await continued(half)).toEqual(await continued(whole));
    // Both archives of the source are in the cache, side by side.
    using again = await loadModel(source, { device: "cpu" });
    expect(again.contract.dtype).toBe("float32");
  });
});

// Some of a real model's activations are a thousand times the others, and so are their differences, which multipliers are summed with.
it.each(["float32", "bfloat16", "float16"] as const)(
  "DeepLIFT's scores of the default model add up, weights in %s",
  async (dtype) => {
    using model = await loadModel("smollm2-135m-instruct", { device: "cpu", dtype });
    const prompt =
      "When the storm had finally passed, the old fisherman looked at his broken boat and decided that he would have";
    using result = await attribute({ model, prompt, maxNewTokens: 16, method: "deeplift" });
    expect(result.convergenceDeltas).toHaveLength(result.shape[1] as number);
    for (const delta of result.convergenceDeltas as Float32Array) expect(Math.abs(delta)).toBeLessThan(1e-4);
  },
);

it("an archive of another dtype is refused", async () => {
  using model = await loadModel(writeFamilyFolder(fresh(), families[0] as FamilyGolden), { device: "cpu" });
  await expect(loadModel(model.path, { device: "cpu", dtype: "bfloat16" })).rejects.toMatchObject({
    code: "ERR_TOKENLENSE_INPUT",
    message: expect.stringContaining("float32, not bfloat16") as string,
  });
});

it("weights too large for float16 are refused by name", async () => {
  const golden = families[0] as FamilyGolden;
  const [first, ...others] = golden.tensors;
  const large = { ...golden, tensors: [{ ...first, spread: 2 ** 20 }, ...others] } as FamilyGolden;
  await expect(loadModel(writeFamilyFolder(fresh(), large), { device: "cpu", dtype: "float16" })).rejects.toMatchObject(
    {
      code: "ERR_TOKENLENSE_FORMAT",
      hint: expect.stringContaining("bfloat16") as string,
    },
  );
});
