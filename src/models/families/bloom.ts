import { z } from "zod";
import { type Checkpoint, inconsistent, refused } from "../checkpoint.js";
import { alibiTable } from "./alibi.js";
import { Buffers } from "./buffers.js";
import { isTied } from "./decoder.js";
import type { Blueprint, Family } from "./family.js";
import { SEQUENTIAL } from "./gpt2.js";
import { GGUF_PARALLEL, type ParallelNames, parallelBuffers } from "./parallel.js";
import { count, layerCount, readGguf, readSettings, real } from "./settings.js";

/** BLOOM (Le Scao et al. 2022, arXiv:2211.05100): positions by ALiBi, a layer norm of the embeddings. */
export const bloom: Family = {
  name: "bloom",
  sources: ["layer_norm.py", "plain_mlp.py", "bloom.py"],
  gguf: "bloom",
  folder: "BloomForCausalLM",
  blueprint(checkpoint) {
    const settings = checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    return {
      ...settings,
      activation: "gelu_tanh",
      integers: SEQUENTIAL,
      positionBias: alibiTable(settings.sizes, (slope, position) => slope * position),
      buffers: buffers(checkpoint, settings),
    };
  },
};

type Settings = Pick<Blueprint, "sizes" | "tied" | "normEps">;

function folderNames(prefix: string): ParallelNames {
  return {
    embedding: `${prefix}word_embeddings`,
    finalNorm: `${prefix}ln_f`,
    head: "lm_head",
    layer: (i) => `${prefix}h.${i}.`,
    attentionNorm: "input_layernorm",
    mlpNorm: "post_attention_layernorm",
    qkv: "self_attention.query_key_value",
    attentionOut: "self_attention.dense",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
  };
}

function buffers(checkpoint: Checkpoint, settings: Settings) {
  const gguf = checkpoint.format === "gguf";
  const prefix = checkpoint.tensors.has("word_embeddings.weight") ? "" : "transformer.";
  const names = gguf ? GGUF_PARALLEL : folderNames(prefix);
  const { width, layers } = settings.sizes;
  const norm = gguf ? "token_embd_norm" : `${prefix}word_embeddings_layernorm`;
  return [
    ...parallelBuffers(checkpoint, settings, { ...names, attentionBiases: true, mlpBiases: true, grouped: true }),
    ...new Buffers(layers)
      .one("embedding_norm", `${norm}.weight`, [width])
      .one("embedding_norm_bias", `${norm}.bias`, [width]).list,
  ];
}

function fromGguf(checkpoint: Checkpoint): Settings {
  const { read, sizes } = readGguf(checkpoint, z.object({ "attention.layer_norm_epsilon": real }));
  return { sizes, tied: isTied(checkpoint, true), normEps: read["attention.layer_norm_epsilon"] };
}

const folderSettings = z.object({
  n_layer: layerCount.optional(),
  num_hidden_layers: layerCount.optional(),
  n_head: count.optional(),
  num_attention_heads: count.optional(),
  hidden_size: count.optional(),
  n_embed: count.optional(),
  vocab_size: count,
  seq_length: count.default(2048),
  layer_norm_epsilon: real.default(1e-5),
  apply_residual_connection_post_layernorm: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  const layers = read.n_layer ?? read.num_hidden_layers;
  const heads = read.n_head ?? read.num_attention_heads;
  const width = read.hidden_size ?? read.n_embed;
  if (!layers || !heads || !width) throw inconsistent(path, "does not tell its sizes");
  if (read.apply_residual_connection_post_layernorm)
    throw refused(path, "apply_residual_connection_post_layernorm", true);
  return {
    sizes: {
      ...{ layers, heads, kvHeads: heads, headDim: width / heads, width, hidden: 4 * width },
      vocabulary: read.vocab_size,
      context: read.seq_length,
    },
    tied: isTied(checkpoint, read.tie_word_embeddings),
    normEps: read.layer_norm_epsilon,
  };
}
