import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint, MetadataValue } from "../../src/models/checkpoint.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { encodeTensor, type MetadataValue as Typed } from "./gguf-writer.js";
import { type TinyLlama, type TinyOptions, tinyLlama } from "./tiny.js";

export interface FolderOptions {
  /** Files that the weights are spread over. Default 1. */
  shards?: number;
  /** Added to config.json, or taking the place of what is there. */
  config?: Record<string, unknown>;
}

/** The model of {@link tinyLlama} as a Hugging Face folder; the encoding is one of F32, F16, BF16. */
export function writeTinyFolder(
  folder: string,
  options: TinyOptions,
  { shards = 1, config = {} }: FolderOptions = {},
): TinyLlama {
  const { gguf, buffers, tokens } = tinyLlama(options);
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, encoding, tied = true } = options;
  if (encoding !== "F32" && encoding !== "F16" && encoding !== "BF16") throw new Error(`no folder in ${encoding}`);
  mkdirSync(folder, { recursive: true });
  const tensors: SafeTensor[] = [];
  const add = (name: string, shape: number[], values: Float32Array | undefined) => {
    if (!values) throw new Error(`no values for ${name}`);
    const kind = shape.length === 1 ? "F32" : encoding;
    tensors.push({ name, shape, dtype: kind, bytes: encodeTensor(name, shape, values, kind).tensor.bytes });
  };
  /** `rows` rows from row `first` on, of a stack of layers with `all` rows each. */
  const rows = (buffer: string, layer: number, all: number, first: number, count: number, columns: number) => {
    const start = (layer * all + first) * columns;
    return buffers[buffer]?.data.subarray(start, start + count * columns);
  };
  add("model.embed_tokens.weight", [vocabulary, width], buffers.embedding?.data);
  const [q, k] = [heads * headDim, kvHeads * headDim];
  for (let i = 0; i < layers; i++) {
    const at = `model.layers.${i}`;
    add(`${at}.input_layernorm.weight`, [width], rows("attention_norm", i, 1, 0, 1, width));
    add(`${at}.post_attention_layernorm.weight`, [width], rows("mlp_norm", i, 1, 0, 1, width));
    add(`${at}.self_attn.q_proj.weight`, [q, width], rows("qkv", i, q + 2 * k, 0, q, width));
    add(`${at}.self_attn.k_proj.weight`, [k, width], rows("qkv", i, q + 2 * k, q, k, width));
    add(`${at}.self_attn.v_proj.weight`, [k, width], rows("qkv", i, q + 2 * k, q + k, k, width));
    add(`${at}.self_attn.o_proj.weight`, [width, q], rows("attention_out", i, width, 0, width, q));
    add(`${at}.mlp.gate_proj.weight`, [hidden, width], rows("gate_up", i, 2 * hidden, 0, hidden, width));
    add(`${at}.mlp.up_proj.weight`, [hidden, width], rows("gate_up", i, 2 * hidden, hidden, hidden, width));
    add(`${at}.mlp.down_proj.weight`, [width, hidden], rows("down", i, width, 0, width, hidden));
    add(`${at}.self_attn.rotary_emb.inv_freq`, [headDim / 2], new Float32Array(headDim / 2));
  }
  add("model.norm.weight", [width], buffers.final_norm?.data);
  if (!tied) add("lm_head.weight", [vocabulary, width], buffers.head?.data);
  writeWeights(folder, tensors, shards);

  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  json("config.json", {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headDim,
    hidden_size: width,
    intermediate_size: hidden,
    vocab_size: vocabulary,
    max_position_embeddings: options.context,
    rms_norm_eps: options.normEps ?? 1e-5,
    rope_theta: options.ropeTheta ?? 10_000,
    rope_scaling: null,
    hidden_act: "silu",
    tie_word_embeddings: tied,
    bos_token_id: 1,
    eos_token_id: [2, 0],
    ...config,
  });
  const settings = new Map(Object.entries(gguf.metadata).map(([key, value]) => [key, plain(value)]));
  const checkpoint: Checkpoint = { format: "gguf", path: folder, settings, tensors: new Map() };
  const files = tokenizerFromGguf(checkpoint, vocabulary);
  json("tokenizer.json", files.json);
  json("tokenizer_config.json", { ...files.config, unk_token: { content: tokens[0] } });
  json("generation_config.json", { eos_token_id: 2, pad_token_id: 2 });
  return { path: folder, buffers, tokens };
}

const plain = (value: Typed): MetadataValue => Object.values(value)[0] as MetadataValue;

export interface SafeTensor {
  name: string;
  shape: number[];
  dtype: string;
  bytes: Uint8Array;
}

/** The safetensors files of a folder, and their index where there are several. */
export function writeWeights(folder: string, tensors: SafeTensor[], shards = 1): void {
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const own = tensors.filter((_, i) => i % shards === shard);
    const file = shards === 1 ? "model.safetensors" : `model-${shard + 1}-of-${shards}.safetensors`;
    const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
    let offset = 0;
    for (const { name, shape, dtype, bytes } of own) {
      header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
      offset += bytes.length;
      map[name] = file;
    }
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(join(folder, file), Buffer.concat([length, text, ...own.map(({ bytes }) => bytes)]));
  }
  if (shards > 1) writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
}

/** A tokenizer.json of single symbols, token i the i-th of them; most of these models only have one because they must. */
export function byteTokenizer(symbols: readonly string[]): object {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const vocab = Object.fromEntries(symbols.map((symbol, id) => [symbol, id]));
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: { type: "BPE", vocab, merges: [] },
  };
}
