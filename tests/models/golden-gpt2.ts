/** The small GPT-2 of tests/goldens/gpt2.json, which transformers wrote, in the other forms that GPT-2 is met in. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { readFolder } from "../../src/models/folder.js";
import { type SafeTensor, writeWeights } from "./folder-writer.js";
import { encodeTensor, type GgufInput, type TensorInput } from "./gguf-writer.js";

/** The folder, unpacked for as long as the test file runs. */
export const GOLDEN = mkdtempSync(join(tmpdir(), "tokenlense-gpt2-"));
const { files } = JSON.parse(readFileSync(new URL("../goldens/gpt2.json", import.meta.url), "utf8")) as {
  files: Record<string, string>;
};
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(GOLDEN, name), Buffer.from(bytes, "base64"));
afterAll(() => rmSync(GOLDEN, { recursive: true, force: true }));

async function tensors(): Promise<SafeTensor[]> {
  const read = await readFolder(GOLDEN);
  return [...read.tensors.values()].map(({ name, shape, file, offset }) => {
    const values = shape.reduce((product, n) => product * n, 1);
    return { name, shape, dtype: "F32", bytes: readFileSync(file).subarray(offset, offset + 4 * values) };
  });
}

/** A copy of the folder. */
export async function writeGoldenFolder(
  path: string,
  { config = {}, change = (list) => list }: { config?: object; change?: (tensors: SafeTensor[]) => SafeTensor[] } = {},
): Promise<void> {
  cpSync(GOLDEN, path, { recursive: true });
  const file = join(path, "config.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...config }));
  writeWeights(path, change(await tensors()));
}

/** As OpenAI's own checkpoint and others from before 2023 are: no prefix, and causal masks among the weights. */
export const older =
  (prefix: string) =>
  (list: SafeTensor[]): SafeTensor[] => [
    ...list.map((tensor) => ({ ...tensor, name: tensor.name.replace(/^transformer\./, prefix) })),
    { name: `${prefix}h.0.attn.bias`, shape: [1, 1, 24, 24], dtype: "BOOL", bytes: new Uint8Array(24 * 24) },
    { name: `${prefix}h.1.attn.bias`, shape: [1, 1, 24, 24], dtype: "F32", bytes: new Uint8Array(4 * 24 * 24) },
    { name: `${prefix}h.0.attn.masked_bias`, shape: [], dtype: "F32", bytes: new Uint8Array(4) },
  ];

const GGUF_NAMES: Record<string, string> = {
  wte: "token_embd",
  wpe: "position_embd",
  ln_f: "output_norm",
  ln_1: "attn_norm",
  "attn.c_attn": "attn_qkv",
  "attn.c_proj": "attn_output",
  ln_2: "ffn_norm",
  "mlp.c_fc": "ffn_up",
  "mlp.c_proj": "ffn_down",
};

/** As llama.cpp converts it: names of its own, and Conv1D's matrices the right way round. */
export async function goldenGguf(): Promise<GgufInput> {
  const vocabulary = JSON.parse(readFileSync(join(GOLDEN, "tokenizer.json"), "utf8")).model.vocab;
  const tokens = Object.keys(vocabulary).sort((a, b) => vocabulary[a] - vocabulary[b]);
  return {
    metadata: {
      "general.architecture": { string: "gpt2" },
      "general.name": { string: "small random GPT-2" },
      "gpt2.block_count": { u32: 2 },
      "gpt2.context_length": { u32: 24 },
      "gpt2.embedding_length": { u32: 20 },
      "gpt2.feed_forward_length": { u32: 72 },
      "gpt2.attention.head_count": { u32: 4 },
      "gpt2.attention.layer_norm_epsilon": { f32: 1e-5 },
      "tokenizer.ggml.model": { string: "gpt2" },
      "tokenizer.ggml.pre": { string: "gpt-2" },
      "tokenizer.ggml.tokens": { strings: tokens },
      "tokenizer.ggml.token_type": { i32s: tokens.map((token) => (token === "<|endoftext|>" ? 3 : 1)) },
      "tokenizer.ggml.merges": { strings: [] },
      "tokenizer.ggml.bos_token_id": { u32: 256 },
      "tokenizer.ggml.eos_token_id": { u32: 256 },
    },
    tensors: (await tensors()).map(ggufTensor),
  };
}

function ggufTensor({ name, shape, bytes }: SafeTensor): TensorInput {
  const [, layer, part = "", kind] = /^transformer\.(?:h\.(\d+)\.)?(.*)\.(weight|bias)$/.exec(name) ?? [];
  const own = `${layer === undefined ? "" : `blk.${layer}.`}${GGUF_NAMES[part]}.${kind}`;
  const values = new Float32Array(Uint8Array.from(bytes).buffer);
  if (!/c_(attn|proj|fc)\.weight$/.test(name)) return encodeTensor(own, shape, values, "F32").tensor;
  const [rows, columns] = shape as [number, number];
  const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] as number);
  return encodeTensor(own, [columns, rows], turned, "F32").tensor;
}
