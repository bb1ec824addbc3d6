import { fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findLibtorch } from "../src/install/libtorch.js";
import { bytes, table } from "./report.js";

/** A Llama of 1.5 billion parameters. */
const CONFIG = {
  architectures: ["LlamaForCausalLM"],
  num_hidden_layers: 24,
  num_attention_heads: 16,
  num_key_value_heads: 8,
  hidden_size: 2048,
  intermediate_size: 7168,
  vocab_size: 32_000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
};

/** What one step of the worker took; resident sizes in bytes. */
export interface LargeStep {
  step: "build" | "load" | "attribute";
  /** Before the step. */
  baseBytes: number;
  /** At most, during it. */
  peakBytes: number;
  /** Of the loaded model; 0 before it is loaded. */
  weightBytes: number;
  /** Of the attribution. */
  budget?: number;
  seconds: number;
}

/** Builds, loads and attributes with a random model in bfloat16, each step in a process of its own but the last two. */
export async function largeModel(): Promise<LargeStep[]> {
  const folder = await mkdtemp(join(tmpdir(), "tokenlense-large-"));
  try {
    await writeModel(join(folder, "model.safetensors"));
    await writeFile(join(folder, "config.json"), JSON.stringify(CONFIG));
    const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
    const vocab = Object.fromEntries(Array.from({ length: 94 }, (_, i) => [String.fromCharCode(33 + i), i]));
    const tokenizer = { version: "1.0", added_tokens: [], pre_tokenizer: byteLevel, decoder: byteLevel };
    await writeFile(
      join(folder, "tokenizer.json"),
      JSON.stringify({ ...tokenizer, model: { type: "BPE", vocab, merges: [] } }),
    );
    return [...(await inWorker("build", folder)), ...(await inWorker("load", folder))];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tensors(): { name: string; shape: number[] }[] {
  const { hidden_size: width, intermediate_size: hidden, vocab_size: vocabulary } = CONFIG;
  const keys = (width / CONFIG.num_attention_heads) * CONFIG.num_key_value_heads;
  const layer = (i: number) =>
    Object.entries({
      "self_attn.q_proj": [width, width],
      "self_attn.k_proj": [keys, width],
      "self_attn.v_proj": [keys, width],
      "self_attn.o_proj": [width, width],
      "mlp.gate_proj": [hidden, width],
      "mlp.up_proj": [hidden, width],
      "mlp.down_proj": [width, hidden],
      input_layernorm: [width],
      post_attention_layernorm: [width],
    }).map(([name, shape]) => ({ name: `model.layers.${i}.${name}.weight`, shape }));
  return [
    { name: "model.embed_tokens.weight", shape: [vocabulary, width] },
    ...Array.from({ length: CONFIG.num_hidden_layers }, (_, i) => layer(i)).flat(),
    { name: "model.norm.weight", shape: [width] },
    { name: "lm_head.weight", shape: [vocabulary, width] },
  ];
}

/** Values are the same random ones again and again: what they are does not matter here. */
async function writeModel(path: string): Promise<void> {
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, shape } of tensors()) {
    const size = 2 * shape.reduce((product, n) => product * n, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [offset, offset + size] };
    offset += size;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const block = Buffer.alloc(1 << 24);
  // bfloat16 between 1/64 and 1/32, of either sign.
  for (let i = 0; i < block.length; i += 2) {
    const random = Math.floor(Math.random() * 256);
    block.writeUInt16LE(((random & 128) << 8) | 0x3c80 | (random & 127), i);
  }
  const out = createWriteStream(path);
  out.write(length);
  out.write(text);
  for (let left = offset; left > 0; left -= block.length)
    if (!out.write(block.subarray(0, Math.min(left, block.length)))) await once(out, "drain");
  out.end();
  await once(out, "finish");
}

function inWorker(step: "build" | "load", folder: string): Promise<LargeStep[]> {
  const cache = join(folder, "cache");
  const { found: libtorch } = findLibtorch();
  const child = fork(fileURLToPath(new URL("large-worker.js", import.meta.url)), [step, folder], {
    env: { ...process.env, TOKENLENSE_CACHE: cache, ...(libtorch && { LIBTORCH: libtorch.root }) },
  });
  return new Promise((resolve, reject) => {
    child.once("message", (steps) => resolve(steps as LargeStep[]));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the worker ended with ${code}`)));
  });
}

export function largeText(steps: LargeStep[]): string {
  const weights = Math.max(...steps.map(({ weightBytes }) => weightBytes));
  const rows = steps.map(({ step, baseBytes, peakBytes, budget, seconds }) => [
    step,
    bytes(weights),
    bytes(peakBytes - baseBytes),
    budget === undefined ? ((peakBytes - baseBytes) / weights).toFixed(3) : `budget ${bytes(budget)}`,
    seconds.toFixed(1),
  ]);
  return [
    table([["step", "weights", "grew at most by", "times the weights", "seconds"], ...rows]),
    "",
    "A random Llama of 1.5 billion parameters, weights in bfloat16. Grew at most by: resident size during the step, less that before.",
  ].join("\n");
}
