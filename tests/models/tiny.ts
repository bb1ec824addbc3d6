/** Random small Llama models as GGUF files, with the very weights that a reader must get from them. */
import type { Sizes } from "../native/random-model.js";
import {
  type Encoding,
  encodeTensor,
  type GgufInput,
  type MetadataValue,
  type TensorInput,
  writeGguf,
} from "./gguf-writer.js";

export type { Encoding } from "./gguf-writer.js";

export interface TinyOptions extends Sizes {
  /** Of the matrices; rows that are no multiple of 32 stay F32 where the encoding works in blocks, and norms always do. */
  encoding: Encoding;
  seed: number;
  /** The head is the embedding. Default true. */
  tied?: boolean;
  /** Default 10000. */
  ropeTheta?: number;
  /** Default 1e-5. */
  normEps?: number;
  /** Added to the file's metadata, or taking the place of what is there. */
  metadata?: Record<string, MetadataValue>;
}

/** Small enough to be built in each test, with more than one of everything. */
export const TINY: TinyOptions = {
  ...{ layers: 2, heads: 4, kvHeads: 2, headDim: 8 },
  ...{ width: 32, hidden: 48, vocabulary: 280, context: 16 },
  encoding: "F32",
  seed: 3,
};

export interface TinyBuffer {
  shape: number[];
  data: Float32Array;
}

export interface TinyLlama {
  path: string;
  /**
   * What the archive's buffers must hold, by name: embedding [vocabulary, width]; attention_norm [layers, width];
   * qkv [layers, (heads + 2·kvHeads)·headDim, width], queries and keys in halves order; attention_out
   * [layers, width, heads·headDim]; mlp_norm [layers, width]; gate_up [layers, 2·hidden, width]; down
   * [layers, width, hidden]; final_norm [width]; head [vocabulary, width] where not tied.
   */
  buffers: Record<string, TinyBuffer>;
  /** The vocabulary, by id. */
  tokens: string[];
}

/** Writes a random model; the same options give the same bytes. */
export function writeTinyLlama(path: string, options: TinyOptions): TinyLlama {
  const { gguf, buffers, tokens } = tinyLlama(options);
  writeGguf(path, gguf);
  return { path, buffers, tokens };
}

/** The same, as what the GGUF writer takes. */
export function tinyLlama(options: TinyOptions): {
  gguf: GgufInput;
  buffers: Record<string, TinyBuffer>;
  tokens: string[];
} {
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, encoding, tied = true } = options;
  const normal = gaussian(options.seed);
  const tensors: TensorInput[] = [];

  // 1/√columns keeps activations and attention scores near one, so that no softmax is flat or saturated.
  const matrix = (name: string, rows: number, columns: number, scale = 1 / Math.sqrt(columns)): Float32Array => {
    const random = Float32Array.from({ length: rows * columns }, () => normal() * scale);
    const blocks = encoding === "F32" || encoding === "F16" || encoding === "BF16" || columns % 32 === 0;
    const { tensor, values } = encodeTensor(name, [rows, columns], random, blocks ? encoding : "F32");
    tensors.push(tensor);
    return values;
  };
  const norm = (name: string): Float32Array => {
    const random = Float32Array.from({ length: width }, () => 1 + 0.1 * normal());
    tensors.push(encodeTensor(name, [width], random, "F32").tensor);
    return random;
  };

  const stacks: Record<string, Float32Array[]> = {};
  const stack = (name: string, ...parts: Float32Array[]): void => {
    stacks[name] = [...(stacks[name] ?? []), ...parts];
  };

  const embedding = matrix("token_embd.weight", vocabulary, width, 0.3);
  for (let i = 0; i < layers; i++) {
    const at = `blk.${i}`;
    stack("attention_norm", norm(`${at}.attn_norm.weight`));
    const q = matrix(`${at}.attn_q.weight`, heads * headDim, width);
    const k = matrix(`${at}.attn_k.weight`, kvHeads * headDim, width);
    const v = matrix(`${at}.attn_v.weight`, kvHeads * headDim, width);
    stack("qkv", toHalves(q, heads, headDim, width), toHalves(k, kvHeads, headDim, width), v);
    stack("attention_out", matrix(`${at}.attn_output.weight`, width, heads * headDim));
    stack("mlp_norm", norm(`${at}.ffn_norm.weight`));
    stack("gate_up", matrix(`${at}.ffn_gate.weight`, hidden, width), matrix(`${at}.ffn_up.weight`, hidden, width));
    stack("down", matrix(`${at}.ffn_down.weight`, width, hidden));
  }
  const finalNorm = norm("output_norm.weight");
  const buffers: Record<string, TinyBuffer> = {
    embedding: { shape: [vocabulary, width], data: embedding },
    final_norm: { shape: [width], data: finalNorm },
  };
  if (!tied) buffers.head = { shape: [vocabulary, width], data: matrix("output.weight", vocabulary, width, 0.3) };
  const shapes: Record<string, number[]> = {
    attention_norm: [width],
    qkv: [(heads + 2 * kvHeads) * headDim, width],
    attention_out: [width, heads * headDim],
    mlp_norm: [width],
    gate_up: [2 * hidden, width],
    down: [width, hidden],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    buffers[name] = { shape: [layers, ...shape], data: joined(stacks[name] ?? []) };
  }

  const { tokens, types, merges } = toyTokenizer(vocabulary, options.seed);
  const metadata: Record<string, MetadataValue> = {
    "general.architecture": { string: "llama" },
    "general.name": { string: `tiny ${options.seed}` },
    "llama.block_count": { u32: layers },
    "llama.context_length": { u32: options.context },
    "llama.embedding_length": { u32: width },
    "llama.feed_forward_length": { u32: hidden },
    "llama.attention.head_count": { u32: heads },
    "llama.attention.head_count_kv": { u32: kvHeads },
    "llama.attention.key_length": { u32: headDim },
    "llama.attention.value_length": { u32: headDim },
    "llama.rope.dimension_count": { u32: headDim },
    "llama.rope.freq_base": { f32: options.ropeTheta ?? 10000 },
    "llama.attention.layer_norm_rms_epsilon": { f32: options.normEps ?? 1e-5 },
    "llama.vocab_size": { u32: vocabulary },
    "tokenizer.ggml.model": { string: "gpt2" },
    "tokenizer.ggml.pre": { string: "smollm" },
    "tokenizer.ggml.tokens": { strings: tokens },
    "tokenizer.ggml.token_type": { i32s: types },
    "tokenizer.ggml.merges": { strings: merges },
    "tokenizer.ggml.bos_token_id": { u32: 1 },
    "tokenizer.ggml.eos_token_id": { u32: 2 },
    "tokenizer.ggml.unknown_token_id": { u32: 0 },
    "tokenizer.ggml.padding_token_id": { u32: 2 },
    "tokenizer.ggml.add_bos_token": { bool: false },
    "tokenizer.chat_template": { string: CHAT_TEMPLATE },
    ...options.metadata,
  };
  return { gguf: { metadata, tensors }, buffers, tokens };
}

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** GGUF keeps the two halves of a head interleaved: its row 2j + p is row p·headDim/2 + j of Hugging Face. */
function toHalves(rows: Float32Array, heads: number, headDim: number, columns: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let head = 0; head < heads; head++) {
    for (let j = 0; j < headDim; j++) {
      const from = head * headDim + j;
      const to = head * headDim + (j % 2) * (headDim / 2) + Math.floor(j / 2);
      out.set(rows.subarray(from * columns, (from + 1) * columns), to * columns);
    }
  }
  return out;
}

function joined(parts: Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/**
 * A byte-level BPE tokenizer of exactly `size` tokens: three special ones, then bytes (readable ASCII first), then
 * random merges. Below 259 tokens some bytes are missing, and text with them loses them.
 */
function toyTokenizer(size: number, seed: number): { tokens: string[]; types: number[]; merges: string[] } {
  const special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
  const tokens = [...special, ...byteAlphabet()].slice(0, size);
  const merges: string[] = [];
  const taken = new Set(tokens);
  const random = uniform(seed + 1);
  while (tokens.length < size) {
    const pick = () => tokens[special.length + Math.floor(random() * (tokens.length - special.length))] as string;
    const [left, right] = [pick(), pick()];
    if (taken.has(left + right) || left.length + right.length > 12) continue;
    taken.add(left + right);
    tokens.push(left + right);
    merges.push(`${left} ${right}`);
  }
  return { tokens, types: tokens.map((_, id) => (id < special.length ? 3 : 1)), merges };
}

/** GPT-2's printable stand-ins for the 256 bytes: ASCII, space ("Ġ") and newline ("Ċ") first. */
function byteAlphabet(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  const symbols = Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
  const rank = (b: number) => (b === 32 || b === 10 ? 0 : b >= 33 && b <= 126 ? 1 : 2);
  return [...symbols.keys()].sort((a, b) => rank(a) - rank(b) || a - b).map((b) => symbols[b] as string);
}

/** mulberry32: small, seeded, good enough for weights. In [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

function gaussian(seed: number): () => number {
  const random = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
