import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildSpec } from "../../src/models/build.js";
import { readGguf } from "../../src/models/gguf.js";
import { loadModel } from "../../src/models/model.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import type { WeightSpec } from "../../src/native.js";
import { temporaryFolder } from "../tiny-model.js";
import { writeTinyFolder } from "./folder-writer.js";
import { tokenLogits } from "./logits.js";
import { REAL_MODEL, realGguf } from "./real.js";
import { referenceLogits } from "./reference.js";
import { type TinyOptions, uniform, writeTinyLlama } from "./tiny.js";

const real = await realGguf();
const folder = temporaryFolder();

const TINY: TinyOptions = {
  layers: 2,
  heads: 6,
  kvHeads: 2,
  headDim: 8,
  width: 64,
  hidden: 96,
  vocabulary: 300,
  context: 32,
  encoding: "F32",
  seed: 11,
};

describe("the build specification of the default model", () => {
  let weights: Map<string, WeightSpec>;
  let spec: Awaited<ReturnType<typeof buildSpec>>;
  beforeAll(async () => {
    const checkpoint = await readGguf(real);
    spec = await buildSpec({
      name: REAL_MODEL,
      sha256: "0".repeat(64),
      checkpoint,
      tokenizer: (size) => tokenizerFromGguf(checkpoint, size),
    });
    weights = new Map(spec.weights.map((weight) => [weight.name, weight]));
  });

  test("has every buffer in its shape, and no head of its own", () => {
    expect(Object.fromEntries([...weights].map(([name, { shape }]) => [name, shape]))).toEqual({
      embedding: [49152, 576],
      attention_norm: [30, 576],
      qkv: [30, 960, 576],
      qkv_bias: [30, 0],
      qk_norm: [30, 0],
      attention_out: [30, 576, 576],
      attention_out_bias: [30, 0],
      mlp_norm: [30, 576],
      gate_up: [30, 3072, 576],
      down: [30, 576, 1536],
      final_norm: [576],
    });
    expect(spec.integers).toEqual({
      layers: 30,
      heads: 9,
      kv_heads: 3,
      head_dim: 64,
      width: 576,
      hidden: 1536,
      vocabulary: 49152,
      context: 8192,
      tied: 1,
      long_after: 0,
      first_layer: 0,
    });
    expect(spec.floats).toEqual({ norm_eps: Math.fround(1e-5), attention_scale: 1 / 8, attention_softcap: 0 });
    expect(spec.rotary).toEqual([{ dimensions: 64, theta: 100_000, factor: 1 }]);
  });

  test("fills every buffer, and takes every byte of the file's tensors once", async () => {
    for (const { shape, parts } of weights.values()) {
      const values = parts.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
      expect(values).toBe(shape.reduce((product, n) => product * n, 1));
    }
    const { tensors } = await readGguf(real);
    const offsets = [...weights.values()].flatMap(({ parts }) => parts.map(({ offset }) => offset));
    expect(offsets.toSorted((a, b) => a - b)).toEqual(
      [...tensors.values()].map(({ offset }) => offset).toSorted((a, b) => a - b),
    );
  });

  test("regroups queries and keys only", () => {
    const [q, k, v] = weights.get("qkv")?.parts ?? [];
    expect([q?.unpermuteHeads, k?.unpermuteHeads, v?.unpermuteHeads]).toEqual([9, 3, undefined]);
    expect(
      spec.weights.filter(({ parts }) => parts.some((part) => part.unpermuteHeads)).map(({ name }) => name),
    ).toEqual(["qkv"]);
  });

  test("has a contract with the source's methods", () => {
    const contract = JSON.parse(spec.files["tokenlense/contract.json"] as string);
    expect(contract).toMatchObject({
      family: "llama",
      contract: "layered",
      source: { name: REAL_MODEL },
      tokens: { eos: [2] },
    });
    expect(contract.methods).toEqual(expect.arrayContaining(["embed", "layer", "final", "logits"]));
  });
});

describe("archives", () => {
  const random = uniform(5);
  const ids = Int32Array.from({ length: 14 }, () => Math.floor(random() * 300));

  async function expectReference(source: string, options: TinyOptions, buffers: Parameters<typeof referenceLogits>[0]) {
    using model = await loadModel(source, { device: "cpu" });
    const wanted = referenceLogits(buffers, options, ids);
    const { logit, normaliser } = await tokenLogits(model, ids);
    for (let t = 0; t + 1 < ids.length; t++) {
      const row = wanted[t] as number[];
      expect(logit[t]).toBeCloseTo(row[ids[t + 1] as number] as number, 4);
      expect(normaliser[t]).toBeCloseTo(Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)), 4);
    }
  }

  test.each(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const)(
    "of a GGUF file in %s give the logits of the equations",
    async (encoding) => {
      const path = join(folder, `${encoding}.gguf`);
      const options: TinyOptions = { ...TINY, encoding, tied: encoding !== "Q8_0", ropeTheta: 5000, normEps: 1e-3 };
      const { buffers } = writeTinyLlama(path, options);
      await expectReference(path, options, buffers);
    },
  );

  test.each([
    ["F32", 1],
    ["F16", 3],
    ["BF16", 1],
  ] as const)("of a folder in %s, %i files, give the logits of the equations", async (encoding, shards) => {
    const path = join(folder, `folder-${encoding}`);
    const options: TinyOptions = { ...TINY, encoding, tied: encoding !== "BF16" };
    const { buffers } = writeTinyFolder(path, options, { shards });
    await expectReference(path, options, buffers);
  });

  test("of the default model give transformers' logits", async () => {
    const golden = JSON.parse(readFileSync(new URL("../goldens/logits.json", import.meta.url), "utf8")) as {
      cases: { ids: number[]; logit: number[]; normaliser: number[] }[];
    };
    using model = await loadModel(real, { device: "cpu" });
    for (const wanted of golden.cases) {
      const found = await tokenLogits(model, Int32Array.from(wanted.ids));
      for (const [t, value] of found.logit.entries())
        expect(Math.abs(value - (wanted.logit[t] as number))).toBeLessThan(2e-4);
      for (const [t, value] of found.normaliser.entries()) {
        expect(Math.abs(value - (wanted.normaliser[t] as number))).toBeLessThan(2e-4);
      }
    }
  });
});
