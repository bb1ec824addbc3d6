import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { buildSpec, type Source } from "../../src/models/build.js";
import { FAMILIES, familySource } from "../../src/models/families/index.js";
import { folderFiles, readFolder, tokenizerFromFolder } from "../../src/models/folder.js";
import { readGguf } from "../../src/models/gguf.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { writeTinyFolder } from "./folder-writer.js";
import { encodeTensor, ggufBytes, type MetadataValue, writeGguf } from "./gguf-writer.js";
import { TINY, type TinyOptions, tinyLlama } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "tokenlense-families-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
async function fromGguf(
  change: (gguf: ReturnType<typeof tinyLlama>["gguf"]) => void,
  options: Partial<TinyOptions> = {},
) {
  const path = join(folder, `${count++}.gguf`);
  const { gguf } = tinyLlama({ ...TINY, ...options });
  change(gguf);
  writeGguf(path, gguf);
  const checkpoint = await readGguf(path);
  const source: Source = {
    name: "x",
    sha256: "0".repeat(64),
    checkpoint,
    tokenizer: (n) => tokenizerFromGguf(checkpoint, n),
  };
  return buildSpec(source);
}

async function fromFolder(
  options: Partial<TinyOptions>,
  config: Record<string, unknown>,
  change: (path: string) => void = () => {},
) {
  const path = join(folder, `${count++}`);
  writeTinyFolder(path, { ...TINY, ...options }, { config });
  change(path);
  await folderFiles(path);
  const checkpoint = await readFolder(path);
  return buildSpec({ name: "x", sha256: "0".repeat(64), checkpoint, tokenizer: () => tokenizerFromFolder(path) });
}

const error = (kind: string, text: string) =>
  expect.objectContaining({
    code: `ERR_TOKENLENSE_${kind}`,
    message: expect.stringContaining(text) as string,
    hint: expect.any(String) as string,
  });

describe("every family", () => {
  test.each(FAMILIES.map((family) => [family.name, family] as const))(
    "%s has a source with the methods of its contract",
    (_, family) => {
      const { methods } = familySource(family);
      expect(methods).toEqual(
        expect.arrayContaining(["embed", "layer", "layer_cached", "attention", "final", "logits"]),
      );
      expect(new Set(methods).size).toBe(methods.length);
    },
  );
});

describe("Llama from GGUF", () => {
  test.each<[string, MetadataValue, string]>([
    ["llama.rope.scaling.type", { string: "other" }, "rotary scaling (other)"],
    ["llama.expert_count", { u32: 8 }, "how many experts"],
    ["llama.attention.sliding_window", { u32: 4096 }, "sliding-window"],
    ["llama.attention.causal", { bool: false }, "not causal"],
    ["llama.attention.value_length", { u32: 16 }, "values of another size"],
    ["llama.logit_scale", { f32: 0.5 }, "llama.logit_scale"],
    ["general.architecture", { string: "mamba" }, '"mamba"'],
  ])("refuses %s = %o", async (key, value, said) => {
    await expect(fromGguf((gguf) => Object.assign(gguf.metadata, { [key]: value }))).rejects.toEqual(
      error("ARCHITECTURE", said),
    );
  });

  test.each<[string, MetadataValue]>([
    ["llama.rope.scaling.type", { string: "none" }],
    ["llama.expert_count", { u32: 0 }],
    ["general.quantization_version", { u32: 2 }],
  ])("takes %s = %o, which asks for nothing", async (key, value) => {
    await expect(fromGguf((gguf) => Object.assign(gguf.metadata, { [key]: value }))).resolves.toBeDefined();
  });

  test.each([
    ["blk.0.attn_q.bias", [32], "biases"],
    ["blk.0.ffn_gate_exps.weight", [2, 48, 32], "mixture-of-experts"],
    ["blk.0.attn_sub_norm.weight", [32], "does not use"],
  ])("refuses tensor %s", async (name, shape, said) => {
    const add = encodeTensor(name, shape, new Float32Array(shape.reduce((a, b) => a * b)), "F32").tensor;
    await expect(fromGguf((gguf) => gguf.tensors.push(add))).rejects.toEqual(error("ARCHITECTURE", said));
  });

  test.each<[string, MetadataValue | undefined, string]>([
    ["llama.block_count", { u32: 3 }, "blk.2.attn_norm.weight"],
    ["llama.block_count", { u32: 2 ** 31 }, "block_count"],
    ["llama.block_count", undefined, "block_count"],
    ["llama.embedding_length", { u32: 64 }, "[280, 32], not [280, 64]"],
    ["llama.attention.head_count", { u32: 0 }, "head_count"],
    ["llama.attention.head_count_kv", { u32: 3 }, "cannot share"],
    ["llama.attention.layer_norm_rms_epsilon", { f32: Number.NaN }, "epsilon"],
    ["llama.context_length", { u32: 2 ** 32 - 1 }, "context"],
    ["llama.rope.dimension_count", { u32: 5 }, "no even number"],
    ["tokenizer.ggml.tokens", undefined, "tokenizer.ggml.tokens"],
  ])("refuses %s = %o as damaged", async (key, value, said) => {
    const changed = fromGguf(({ metadata }) => {
      if (value) metadata[key] = value;
      else delete metadata[key];
    });
    await expect(changed).rejects.toEqual(error("FORMAT", said));
  });

  test("refuses a missing tensor, and more tokens than embeddings", async () => {
    await expect(fromGguf((gguf) => gguf.tensors.splice(3, 1))).rejects.toEqual(error("FORMAT", "has no tensor"));
    const { tokens } = tinyLlama({ ...TINY, vocabulary: 281 });
    const more = {
      "tokenizer.ggml.tokens": { strings: tokens },
      "tokenizer.ggml.token_type": { i32s: tokens.map(() => 1) },
    };
    await expect(fromGguf(({ metadata }) => Object.assign(metadata, more))).rejects.toEqual(
      error("FORMAT", "281 tokens"),
    );
  });

  test("takes heads of a size of their own, and defaults", async () => {
    const spec = await fromGguf(
      ({ metadata }) => {
        delete metadata["llama.rope.freq_base"];
        delete metadata["llama.vocab_size"];
      },
      { headDim: 6, tied: false },
    );
    expect(spec.rotary).toEqual([{ dimensions: 6, theta: 10_000, factor: 1 }]);
    expect(spec.integers).toMatchObject({ head_dim: 6, vocabulary: 280, tied: 0 });
    expect(spec.weights.find(({ name }) => name === "attention_out")?.shape).toEqual([2, 32, 24]);
  });
});

test("a header with wrong bytes gives a specification or a typed error", async () => {
  const { gguf } = tinyLlama({ ...TINY, layers: 1 });
  const bytes = ggufBytes(gguf);
  const header = bytes.length - gguf.tensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const path = join(folder, "wrong.gguf");
  const flip = fc.record({ at: fc.nat(header - 1), value: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 3 }), async (flips) => {
      const copy = Buffer.from(bytes);
      for (const { at, value } of flips) copy[at] = value;
      writeFileSync(path, copy);
      const build = async () => {
        const checkpoint = await readGguf(path);
        const tokenizer = (size: number) => tokenizerFromGguf(checkpoint, size);
        return buildSpec({ name: "x", sha256: "0".repeat(64), checkpoint, tokenizer });
      };
      const outcome = await build().catch((reason: unknown) => reason);
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(TokenlenseError);
        expect((outcome as TokenlenseError).code).toMatch(/FORMAT|QUANTISATION|ARCHITECTURE/);
      }
    }),
    { numRuns: 500 },
  );
});

describe("Llama from a folder", () => {
  test.each([
    [{ architectures: ["MambaForCausalLM"] }, "MambaForCausalLM"],
    [{ rope_scaling: { rope_type: "proportional", factor: 2 } }, "proportional"],
    [{ mlp_bias: true }, "mlp_bias = true"],
    [{ hidden_act: "quick_gelu" }, 'hidden_act = "quick_gelu"'],
    [{ logit_scale: 0.5 }, "logit_scale = 0.5"],
    [{ layer_types: ["full_attention", "linear_attention"] }, "layer_types"],
    [{ rope_scaling: { type: "su", short_factor: [1], long_factor: [1] } }, 'rope_scaling = "su"'],
  ])("refuses %o", async (config, said) => {
    await expect(fromFolder({}, config)).rejects.toEqual(error("ARCHITECTURE", said));
  });

  test.each([
    [{ rope_scaling: { rope_type: "llama3", factor: 32 } }, "llama3"],
    [{ rope_scaling: { type: "linear" } }, "linear"],
    [{ rope_scaling: { type: "longrope", original_max_position_embeddings: 8 } }, "longrope"],
    [{ rope_scaling: { type: "longrope", short_factor: [1], original_max_position_embeddings: 8 } }, "rotary factors"],
    [{ attention_bias: true }, "q_proj.bias"],
  ])("refuses %o, which does not say all", async (config, said) => {
    await expect(fromFolder({}, config)).rejects.toEqual(error("FORMAT", said));
  });

  test.each([
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, 16],
    [
      {
        rope_scaling: {
          ...{ type: "longrope", original_max_position_embeddings: 8 },
          ...{ short_factor: [1, 1, 1, 2], long_factor: [2, 2, 2, 4] },
        },
      },
      16,
    ],
  ])("takes %o for texts of %d tokens", async (config, context) => {
    expect((await fromFolder({}, config)).integers.context).toBe(context);
  });

  test("takes settings as transformers 5 writes them", async () => {
    const spec = await fromFolder(
      {},
      { rope_theta: undefined, rope_parameters: { rope_type: "default", rope_theta: 777 } },
    );
    expect(spec.rotary).toMatchObject([{ theta: 777 }]);
    const contract = JSON.parse(spec.files["tokenlense/contract.json"] as string);
    expect(contract).toMatchObject({ tokens: { bos: 1, eos: [2], pad: 2, unk: 0 }, addBos: false });
    expect(contract.chatTemplate).toContain("<|im_start|>");
    expect(spec.weights.flatMap(({ parts }) => parts).some((part) => part.unpermuteHeads !== undefined)).toBe(false);
  });

  const safetensors = (header: unknown, data = 0) => {
    const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, Buffer.alloc(data)]);
  };
  test.each([
    ["FORMAT", "cut short", Buffer.from("123")],
    ["FORMAT", "cut short", safetensors({}).subarray(0, 9)],
    ["FORMAT", "damaged header", safetensors("no json")],
    ["FORMAT", "damaged header", safetensors({ a: { dtype: "F32" } })],
    ["FORMAT", "needs 8", safetensors({ a: { dtype: "F32", shape: [2], data_offsets: [0, 4] } }, 8)],
    ["FORMAT", "cut short", safetensors({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, 4)],
    ["QUANTISATION", "I8", safetensors({ a: { dtype: "I8", shape: [2], data_offsets: [0, 2] } }, 2)],
  ])("refuses weights: %s, %s", async (kind, said, bytes) => {
    const broken = fromFolder({}, {}, (path) => writeFileSync(join(path, "model.safetensors"), bytes));
    await expect(broken).rejects.toEqual(error(kind, said));
  });

  test("says which file is missing", async () => {
    for (const name of ["config.json", "tokenizer.json", "model.safetensors"]) {
      await expect(fromFolder({}, {}, (path) => rmSync(join(path, name)))).rejects.toEqual(error("FILE", name));
    }
    const old = fromFolder({}, {}, (path) => {
      rmSync(join(path, "model.safetensors"));
      writeFileSync(join(path, "pytorch_model.bin"), "");
    });
    await expect(old).rejects.toMatchObject({ hint: expect.stringContaining("save_pretrained") });
  });

  test("refuses quantised and damaged settings", async () => {
    await expect(fromFolder({}, { quantization_config: { bits: 4 } })).rejects.toEqual(
      error("QUANTISATION", "quantised"),
    );
    await expect(fromFolder({}, { num_hidden_layers: "two" })).rejects.toEqual(error("FORMAT", "num_hidden_layers"));
    await expect(fromFolder({}, {}, (path) => writeFileSync(join(path, "config.json"), "{"))).rejects.toEqual(
      error("FORMAT", "config.json"),
    );
    await expect(fromFolder({}, {}, (path) => writeFileSync(join(path, "tokenizer.json"), "{}"))).rejects.toEqual(
      error("FORMAT", "tokenizer.json"),
    );
  });
});
