import { z } from "zod";
import { type Checkpoint, unsupported } from "../checkpoint.js";
import { Buffers } from "./buffers.js";
import { isTied } from "./decoder.js";
import type { Blueprint, Family, PartPlan, Sizes } from "./family.js";
import { activationOf, count, layerCount, readGguf, readSettings, real } from "./settings.js";

/**
 * GPT-2 (Radford et al. 2019) and what shares its graph: DistilGPT-2, DialoGPT, Cerebras-GPT. Learned positions, layer norms
 * (Ba et al. 2016) before each part, GELU (Hendrycks & Gimpel 2016), biases everywhere but in the head.
 */
export const gpt2: Family = {
  name: "gpt2",
  sources: ["layer_norm.py", "plain_mlp.py", "gpt2.py"],
  gguf: "gpt2",
  folder: "GPT2LMHeadModel",
  blueprint(checkpoint) {
    const settings = checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    return { ...settings, integers: SEQUENTIAL, buffers: buffers(checkpoint, settings) };
  },
};

/** OPT (Zhang et al. 2022, arXiv:2205.01068); OPT-350m, with norms after each part and projected embeddings, is refused. */
export const opt: Family = {
  name: "opt",
  sources: ["layer_norm.py", "plain_mlp.py", "gpt2.py"],
  folder: "OPTForCausalLM",
  blueprint(checkpoint) {
    const settings = fromOptFolder(checkpoint);
    return { ...settings, integers: SEQUENTIAL, buffers: optBuffers(checkpoint, settings) };
  },
};

type Settings = Omit<Blueprint, "buffers">;

/** The MLP comes after attention, not beside it. */
export const SEQUENTIAL = { parallel: 0 };

/** A weight with its bias, of every layer; the weight a matrix where `columns` is given. */
function pair(
  plan: Buffers,
  buffer: string,
  name: (layer: number) => string,
  rows: number,
  columns?: number,
  part: Partial<PartPlan> = {},
): void {
  const shape = columns === undefined ? [rows] : [rows, columns];
  plan.each(buffer, shape, (i) => ({ tensor: `${name(i)}.weight`, shape, ...(columns === undefined ? {} : part) }));
  plan.each(`${buffer}_bias`, [rows], (i) => ({ tensor: `${name(i)}.bias`, shape: [rows] }));
}

function buffers({ format, tensors }: Checkpoint, { sizes, tied }: Settings) {
  const { width, hidden, vocabulary, context } = sizes;
  const gguf = format === "gguf";
  // A checkpoint of the model without its head, as OpenAI's own is, has shorter names.
  const prefix = tensors.has("wte.weight") ? "" : "transformer.";
  const name = (of: [string, string]) => (gguf ? of[0] : `${prefix}${of[1]}`);
  const layer = (of: [string, string]) => (i: number) => (gguf ? `blk.${i}.${of[0]}` : `${prefix}h.${i}.${of[1]}`);
  const turned = gguf ? {} : { transposed: true };
  const plan = new Buffers(sizes.layers)
    .one("embedding", `${name(["token_embd", "wte"])}.weight`, [vocabulary, width])
    .one("positions", `${name(["position_embd", "wpe"])}.weight`, [context, width]);
  pair(plan, "attention_norm", layer(["attn_norm", "ln_1"]), width);
  pair(plan, "qkv", layer(["attn_qkv", "attn.c_attn"]), 3 * width, width, turned);
  pair(plan, "attention_out", layer(["attn_output", "attn.c_proj"]), width, width, turned);
  pair(plan, "mlp_norm", layer(["ffn_norm", "ln_2"]), width);
  pair(plan, "up", layer(["ffn_up", "mlp.c_fc"]), hidden, width, turned);
  pair(plan, "down", layer(["ffn_down", "mlp.c_proj"]), width, hidden, turned);
  plan
    .one("final_norm", `${name(["output_norm", "ln_f"])}.weight`, [width])
    .one("final_norm_bias", `${name(["output_norm", "ln_f"])}.bias`, [width]);
  if (!tied) plan.one("head", gguf ? "output.weight" : "lm_head.weight", [vocabulary, width]);
  return plan.list;
}

const ggufSettings = z.object({ "attention.layer_norm_epsilon": real });

function fromGguf(checkpoint: Checkpoint): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  return {
    sizes,
    tied: isTied(checkpoint, true),
    normEps: read["attention.layer_norm_epsilon"],
    activation: "gelu_tanh", // The format has no setting for it, and llama.cpp computes this one.
  };
}

// Defaults are those of transformers' GPT2Config.
const folderSettings = z.object({
  n_layer: layerCount.default(12),
  n_head: count.default(12),
  n_embd: count.default(768),
  n_inner: count.nullish(),
  n_positions: count.default(1024),
  vocab_size: count.default(50_257),
  layer_norm_epsilon: real.default(1e-5),
  activation_function: z.string().default("gelu_new"),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  add_cross_attention: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  if (!read.scale_attn_weights) throw unsupported(path, "has attention scores that are not scaled");
  if (read.scale_attn_by_inverse_layer_idx) throw unsupported(path, "has attention scores scaled by layer");
  if (read.add_cross_attention) throw unsupported(path, "has cross-attention");
  const sizes: Sizes = {
    layers: read.n_layer,
    heads: read.n_head,
    kvHeads: read.n_head,
    headDim: read.n_embd / read.n_head,
    width: read.n_embd,
    hidden: read.n_inner ?? 4 * read.n_embd,
    vocabulary: read.vocab_size,
    context: read.n_positions,
  };
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    normEps: read.layer_norm_epsilon,
    activation: activationOf(path, read.activation_function),
  };
}

/** OPT's table of positions begins with two rows that are not used. */
const UNUSED_POSITIONS = 2;

function optBuffers({ tensors }: Checkpoint, { sizes, tied }: Settings) {
  const { width, hidden, vocabulary, context } = sizes;
  const prefix = tensors.has("decoder.embed_tokens.weight") ? "decoder." : "model.decoder.";
  const layer = (name: string) => (i: number) => `${prefix}layers.${i}.${name}`;
  const plan = new Buffers(sizes.layers)
    .one("embedding", `${prefix}embed_tokens.weight`, [vocabulary, width])
    .one("positions", `${prefix}embed_positions.weight`, [context + UNUSED_POSITIONS, width], {
      rows: [UNUSED_POSITIONS, context],
    });
  const three = ["q", "k", "v"].map((name) => layer(`self_attn.${name}_proj`));
  plan
    .each("qkv", [3 * width, width], (i) =>
      three.map((name) => ({ tensor: `${name(i)}.weight`, shape: [width, width] })),
    )
    .each("qkv_bias", [3 * width], (i) => three.map((name) => ({ tensor: `${name(i)}.bias`, shape: [width] })));
  pair(plan, "attention_norm", layer("self_attn_layer_norm"), width);
  pair(plan, "attention_out", layer("self_attn.out_proj"), width, width);
  pair(plan, "mlp_norm", layer("final_layer_norm"), width);
  pair(plan, "up", layer("fc1"), hidden, width);
  pair(plan, "down", layer("fc2"), width, hidden);
  plan
    .one("final_norm", `${prefix}final_layer_norm.weight`, [width])
    .one("final_norm_bias", `${prefix}final_layer_norm.bias`, [width]);
  if (!tied) plan.one("head", "lm_head.weight", [vocabulary, width]);
  return plan.list;
}

// Defaults are those of transformers' OPTConfig.
const optSettings = z.object({
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: count.default(12),
  hidden_size: count.default(768),
  ffn_dim: count.default(3072),
  word_embed_proj_dim: count.nullish(),
  vocab_size: count.default(50_272),
  max_position_embeddings: count.default(2048),
  activation_function: z.string().default("relu"),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  enable_bias: z.boolean().default(true),
  layer_norm_elementwise_affine: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

function fromOptFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, optSettings);
  if (!read.do_layer_norm_before) throw unsupported(path, "has layer norms after each part (as OPT-350m)");
  if (read._remove_final_layer_norm) throw unsupported(path, "has no final layer norm");
  if (!read.enable_bias || !read.layer_norm_elementwise_affine) throw unsupported(path, "has no biases (as Galactica)");
  if ((read.word_embed_proj_dim ?? read.hidden_size) !== read.hidden_size)
    throw unsupported(path, "has embeddings of another width than its layers");
  return {
    sizes: {
      layers: read.num_hidden_layers,
      heads: read.num_attention_heads,
      kvHeads: read.num_attention_heads,
      headDim: read.hidden_size / read.num_attention_heads,
      width: read.hidden_size,
      hidden: read.ffn_dim,
      vocabulary: read.vocab_size,
      context: read.max_position_embeddings,
    },
    tied: isTied(checkpoint, read.tie_word_embeddings),
    normEps: 1e-5,
    activation: activationOf(path, read.activation_function),
  };
}
