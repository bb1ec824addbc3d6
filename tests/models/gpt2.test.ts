import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { generate } from "../../src/generate.js";
import { native } from "../../src/install/binding.js";
import { loadModel, type Model } from "../../src/models/model.js";
import { LOGIT } from "../methods/plans.js";
import { gradientPlan, relativeError } from "../native/random-model.js";
import { temporaryFolder } from "../tiny-model.js";
import { encodeTensor, type MetadataValue, writeGguf } from "./gguf-writer.js";
import { GOLDEN, goldenGguf, older, writeGoldenFolder } from "./golden-gpt2.js";
import { tokenLogits } from "./logits.js";

// Made by tests/goldens/logits.py.
const golden = JSON.parse(readFileSync(new URL("../goldens/gpt2.json", import.meta.url), "utf8")) as {
  cases: {
    activation: string;
    ids: number[][];
    logit: number[][];
    normaliser: number[][];
    /** Continuations of the first twelve tokens. */
    greedy: number[][];
  }[];
};

const folder = temporaryFolder();
let count = 0;
const fresh = () => join(folder, `model${count++}`);

/** Transformers' logits and greedy continuations, with the key/value cache and without. */
async function expectGolden(model: Model, activation = "gelu_new"): Promise<void> {
  const wanted = golden.cases.find((one) => one.activation === activation);
  if (!wanted) throw new Error(`no golden for ${activation}`);
  let largest = 0;
  for (const [i, list] of wanted.ids.entries()) {
    const ids = Int32Array.from(list);
    const cached = await tokenLogits(model, ids);
    const plan = gradientPlan(ids, 1, { stepScores: [LOGIT], engine: "ragged" });
    const { stepScores } = await native().attribute(model.native, plan).promise;
    largest = Math.max(
      largest,
      relativeError(cached.logit, wanted.logit[i] as number[]),
      relativeError(cached.normaliser, wanted.normaliser[i] as number[]),
      relativeError(stepScores.logit?.data() as Float32Array, wanted.logit[i] as number[]),
    );
    const { ids: continued } = await generate({ model, promptIds: ids.slice(0, 12), maxNewTokens: 12 });
    expect([...continued]).toEqual(wanted.greedy[i]);
  }
  expect(largest).toBeLessThan(1e-5);
}

describe("GPT-2 from a folder gives transformers' logits", () => {
  test("as transformers saves it", async () => {
    using model = await loadModel(GOLDEN, { device: "cpu" });
    await expectGolden(model);
    expect(model.contract).toMatchObject({
      family: "gpt2",
      contract: "layered",
      layers: 2,
      heads: 4,
      kvHeads: 4,
      headDim: 5,
      hidden: 72,
      context: 24,
      tokens: { bos: 256, eos: [256] },
      addBos: false,
    });
    expect(model.tokenizer.decode(model.tokenizer.encode("Some text, čeština"))).toBe("Some text, čeština");
  });

  test.each([["no prefix", ""] as const, ["the prefix", "transformer."] as const])(
    "as older checkpoints are, with %s and causal masks",
    async (_, prefix) => {
      const path = fresh();
      await writeGoldenFolder(path, { change: older(prefix) });
      using model = await loadModel(path, { device: "cpu" });
      await expectGolden(model);
    },
  );

  test.each(["gelu", "gelu_pytorch_tanh"])("with the activation %s", async (activation) => {
    const path = fresh();
    await writeGoldenFolder(path, { config: { activation_function: activation } });
    using model = await loadModel(path, { device: "cpu" });
    await expectGolden(model, activation === "gelu" ? "gelu" : "gelu_new");
  });

  test("with settings left to their defaults, and a head of its own", async () => {
    const path = fresh();
    await writeGoldenFolder(path, {
      config: { activation_function: undefined, layer_norm_epsilon: undefined, tie_word_embeddings: false },
      change: (list) => list.flatMap((tensor) => (/wte/.test(tensor.name) ? [tensor, twice(tensor)] : [tensor])),
    });
    using model = await loadModel(path, { device: "cpu" });
    expect(model.contract.vocabulary).toBe(257);
    const ids = Int32Array.from(golden.cases[0]?.ids[0] as number[]);
    const { logit: found } = await tokenLogits(model, ids);
    const doubled = golden.cases[0]?.logit[0]?.map((value) => 2 * value) as number[];
    expect(relativeError(found, doubled)).toBeLessThan(1e-5);
  });

  test.each([
    [{ activation_function: "quick_gelu" }, "quick_gelu"],
    [{ scale_attn_weights: false }, "scale_attn_weights = false"],
    [{ scale_attn_by_inverse_layer_idx: true }, "scale_attn_by_inverse_layer_idx = true"],
    [{ add_cross_attention: true }, "add_cross_attention = true"],
  ])("and refuses %o", async (config, said) => {
    const path = fresh();
    await writeGoldenFolder(path, { config });
    await expect(loadModel(path)).rejects.toEqual(refusal("ARCHITECTURE", said));
  });

  test.each([
    [{ n_head: 3 }, "cannot share"],
    [{ n_layer: 3 }, "transformer.h.2.ln_1.weight"],
    [{ n_inner: null }, "[20, 72], not [20, 80]"],
    [{ n_positions: 2 ** 31 }, "context"],
    [{ layer_norm_epsilon: 0 }, "layer_norm_epsilon"],
  ])("and refuses %o as damaged", async (config, said) => {
    const path = fresh();
    await writeGoldenFolder(path, { config });
    await expect(loadModel(path)).rejects.toEqual(refusal("FORMAT", said));
  });
});

/** The embedding, doubled, as the head's weights. */
function twice({ shape, dtype, bytes }: { shape: number[]; dtype: string; bytes: Uint8Array }) {
  const values = new Float32Array(Uint8Array.from(bytes).buffer).map((value) => 2 * value);
  return { name: "lm_head.weight", shape, dtype, bytes: new Uint8Array(values.buffer) };
}

const refusal = (kind: string, text: string) =>
  expect.objectContaining({
    code: `ERR_TOKENLENSE_${kind}`,
    message: expect.stringContaining(text) as string,
    hint: expect.any(String) as string,
  });

describe("GPT-2 from GGUF", () => {
  async function fromGguf(change: (gguf: Awaited<ReturnType<typeof goldenGguf>>) => void = () => {}): Promise<Model> {
    const path = `${fresh()}.gguf`;
    const gguf = await goldenGguf();
    change(gguf);
    writeGguf(path, gguf);
    return loadModel(path, { device: "cpu" });
  }

  test("gives transformers' logits", async () => {
    using model = await fromGguf();
    await expectGolden(model);
    expect(model.contract).toMatchObject({ family: "gpt2", vocabulary: 257, tokens: { bos: 256, eos: [256] } });
    expect(model.tokenizer.decode(model.tokenizer.encode("Some text, čeština"))).toBe("Some text, čeština");
  });

  test("gives them where the converter wrote the head out, as it once did", async () => {
    using model = await fromGguf(({ tensors }) => {
      const embedding = tensors.find(({ name }) => name === "token_embd.weight");
      if (embedding) tensors.push({ ...embedding, name: "output.weight" });
    });
    await expectGolden(model);
  });

  test.each<[string, MetadataValue, string]>([
    ["gpt2.attention.causal", { bool: false }, "not causal"],
    ["gpt2.expert_count", { u32: 8 }, "mixture-of-experts"],
    ["gpt2.rope.freq_base", { f32: 10_000 }, "gpt2.rope.freq_base"],
  ])("refuses %s = %o", async (key, value, said) => {
    const changed = fromGguf(({ metadata }) => Object.assign(metadata, { [key]: value }));
    await expect(changed).rejects.toEqual(refusal("ARCHITECTURE", said));
  });

  test("refuses a tensor that it does not use", async () => {
    const { tensor } = encodeTensor("blk.0.ffn_gate.weight", [72, 20], new Float32Array(72 * 20), "F32");
    const changed = fromGguf(({ tensors }) => tensors.push(tensor));
    await expect(changed).rejects.toEqual(refusal("ARCHITECTURE", "does not use"));
  });
});
