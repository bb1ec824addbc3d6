import { z } from "zod";
import type { Checkpoint } from "../checkpoint.js";
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

type Settings = Omit<Blueprint, "buffers">;

/** The MLP comes after attention, not beside it. */
export const SEQUENTIAL = { parallel: 0 };

/** A weight with its bias, of every layer; the weight a matrix where `columns` is given. */
export function pair(
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
    .none("qk_norm")
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
  tie_word_embeddings: z.boolean().default(true),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
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
    activation: activationOf(path, read.activation_function, "activation_function"),
  };
}
