import { z } from "zod";
import { type Checkpoint, unsupported } from "../checkpoint.js";
import { alibiTable } from "./alibi.js";
import { Buffers, ungroupedHeads } from "./buffers.js";
import { isTied } from "./decoder.js";
import type { Blueprint, Family, PartPlan } from "./family.js";
import { SEQUENTIAL } from "./gpt2.js";
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

function buffers({ format, tensors }: Checkpoint, { sizes, tied }: Settings) {
  const { heads, headDim, width, hidden, vocabulary } = sizes;
  const gguf = format === "gguf";
  const prefix = tensors.has("word_embeddings.weight") ? "" : "transformer.";
  const name = (ggufs: string, folders: string) => (gguf ? ggufs : `${prefix}${folders}`);
  const at = (i: number, ggufs: string, folders: string) => (gguf ? `blk.${i}.${ggufs}` : `${prefix}h.${i}.${folders}`);
  const plan = new Buffers(sizes.layers).one("embedding", `${name("token_embd", "word_embeddings")}.weight`, [
    vocabulary,
    width,
  ]);
  const pair = (buffer: string, ggufs: string, folders: string, rows: number, columns?: number) => {
    const shape = columns === undefined ? [rows] : [rows, columns];
    plan.each(buffer, shape, (i) => ({ tensor: `${at(i, ggufs, folders)}.weight`, shape }));
    plan.each(`${buffer}_bias`, [rows], (i) => ({ tensor: `${at(i, ggufs, folders)}.bias`, shape: [rows] }));
  };
  // llama.cpp's converter has regrouped them.
  const regroup = (part: PartPlan) => (gguf ? [part] : ungroupedHeads(heads, 1, headDim, part));
  const qkv = (i: number, kind: string) => `${at(i, "attn_qkv", "self_attention.query_key_value")}.${kind}`;
  plan
    .each("qkv", [3 * width, width], (i) => regroup({ tensor: qkv(i, "weight"), shape: [3 * width, width] }))
    .each("qkv_bias", [3 * width], (i) => regroup({ tensor: qkv(i, "bias"), shape: [3 * width] }));
  pair("attention_norm", "attn_norm", "input_layernorm", width);
  pair("attention_out", "attn_output", "self_attention.dense", width, width);
  pair("mlp_norm", "ffn_norm", "post_attention_layernorm", width);
  pair("up", "ffn_up", "mlp.dense_h_to_4h", hidden, width);
  pair("down", "ffn_down", "mlp.dense_4h_to_h", width, hidden);
  for (const kind of ["weight", "bias"]) {
    const suffix = kind === "bias" ? "_bias" : "";
    plan.one(`embedding_norm${suffix}`, `${name("token_embd_norm", "word_embeddings_layernorm")}.${kind}`, [width]);
    plan.one(`final_norm${suffix}`, `${name("output_norm", "ln_f")}.${kind}`, [width]);
  }
  if (!tied) plan.one("head", gguf ? "output.weight" : "lm_head.weight", [vocabulary, width]);
  return plan.list;
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
  if (!layers || !heads || !width) throw unsupported(path, "does not tell its sizes");
  if (read.apply_residual_connection_post_layernorm) throw unsupported(path, "has its residuals after the norms");
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
