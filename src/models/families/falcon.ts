import { z } from "zod";
import { type Checkpoint, refused } from "../checkpoint.js";
import { alibiTable } from "./alibi.js";
import { isTied } from "./decoder.js";
import type { Blueprint, Family } from "./family.js";
import { GGUF_PARALLEL, type ParallelNames, type ParallelTraits, parallelBuffers } from "./parallel.js";
import { folderRotary, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** Falcon (Almazrouei et al. 2023, arXiv:2311.16867): 7B, 40B, Falcon 2, and those of RefinedWeb with ALiBi. */
export const falcon: Family = {
  name: "falcon",
  sources: ["layer_norm.py", "plain_mlp.py", "gptneox.py"],
  gguf: "falcon",
  folder: "FalconForCausalLM",
  blueprint(checkpoint) {
    const { traits, ...settings } = checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    const names = checkpoint.format === "gguf" ? GGUF_PARALLEL : FOLDER;
    return { ...settings, buffers: parallelBuffers(checkpoint, settings, { ...names, ...traits }) };
  },
};

const FOLDER: Omit<ParallelNames, "attentionNorm" | "mlpNorm"> = {
  embedding: "transformer.word_embeddings",
  finalNorm: "transformer.ln_f",
  head: "lm_head",
  layer: (i) => `transformer.h.${i}.`,
  qkv: "self_attention.query_key_value",
  attentionOut: "self_attention.dense",
  up: "mlp.dense_h_to_4h",
  down: "mlp.dense_4h_to_h",
};

type Settings = Omit<Blueprint, "buffers"> & {
  traits: Pick<ParallelTraits, "attentionBiases" | "mlpBiases" | "grouped" | "attentionNorm" | "mlpNorm">;
};

const ggufSettings = ggufRotary.extend({
  "attention.layer_norm_epsilon": real,
  // Set by the converter, always to the same.
  tensor_data_layout: z.string().optional(),
});

function fromGguf(checkpoint: Checkpoint): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  const rotary = rotaryOfGguf(checkpoint, read, sizes);
  // 40B has a norm for each part, the second tensor being attention's; 7B has one for both.
  const two = checkpoint.tensors.has("blk.0.attn_norm_2.weight");
  return {
    sizes,
    tied: isTied(checkpoint, true),
    ...rotaryBlueprint(rotary),
    normEps: read["attention.layer_norm_epsilon"],
    activation: "gelu",
    integers: { parallel: 1 },
    traits: {
      attentionBiases: false,
      mlpBiases: false,
      grouped: false,
      attentionNorm: two ? "attn_norm_2" : "attn_norm",
      mlpNorm: "attn_norm",
    },
  };
}

// Defaults are those of transformers' FalconConfig.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_kv_heads: count.nullish(),
  hidden_size: count,
  ffn_hidden_size: count.nullish(),
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  layer_norm_epsilon: real.default(1e-5),
  activation: z.string().default("gelu"),
  alibi: z.boolean().default(false),
  bias: z.boolean().default(false),
  multi_query: z.boolean().default(true),
  parallel_attn: z.boolean().default(true),
  new_decoder_architecture: z.boolean().default(false),
  num_ln_in_parallel_attn: count.nullish(),
  tie_word_embeddings: z.boolean().default(true),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  const groups = read.new_decoder_architecture;
  const heads = read.num_attention_heads;
  const kvHeads = groups || !read.multi_query ? (read.num_kv_heads ?? heads) : 1;
  const parallel = groups || read.parallel_attn;
  if (!groups && !read.multi_query && kvHeads !== heads) throw refused(path, "num_kv_heads", kvHeads);
  const two = groups && (read.num_ln_in_parallel_attn ?? 2) === 2;
  const sizes = {
    layers: read.num_hidden_layers,
    heads,
    kvHeads,
    headDim: read.hidden_size / heads,
    width: read.hidden_size,
    hidden: read.ffn_hidden_size ?? 4 * read.hidden_size,
    vocabulary: read.vocab_size,
    context: read.max_position_embeddings,
  };
  const rotary = rotaryOfFolder(path, read, sizes);
  // ALiBi in place of it.
  if (read.alibi && read.rope_scaling) throw refused(path, "rope_scaling", read.rope_scaling);
  if (groups && !read.parallel_attn) throw refused(path, "parallel_attn", false);
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    ...(read.alibi ? { positionBias: alibi(sizes) } : rotaryBlueprint(rotary)),
    normEps: read.layer_norm_epsilon,
    activation: activationOf(path, read.activation, "activation"),
    integers: { parallel: parallel ? 1 : 0 },
    traits: {
      attentionBiases: read.bias,
      mlpBiases: read.bias,
      grouped: groups || !read.multi_query,
      attentionNorm: two ? "ln_attn" : "input_layernorm",
      mlpNorm: two ? "ln_mlp" : parallel ? "input_layernorm" : "post_attention_layernorm",
    },
  };
}

/** Falcon scales ALiBi as it scales the scores, and keeps it in bfloat16. */
function alibi(sizes: { heads: number; context: number; headDim: number }): Float32Array {
  const scale = 1 / Math.sqrt(sizes.headDim);
  return alibiTable(sizes, (slope, position) => bfloat16(bfloat16(slope) * position) * scale);
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The nearest number of bfloat16, ties to even. */
function bfloat16(value: number): number {
  float[0] = value;
  const word = bits[0] as number;
  bits[0] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  return float[0] as number;
}
