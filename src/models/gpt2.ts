import { z } from "zod";
import { type Checkpoint, inconsistent, unsupported } from "./checkpoint.js";
import type { BufferPlan, Family, Sizes } from "./families.js";
import {
  checkSizes,
  count,
  type NeutralSettings,
  readGgufSettings,
  readSettings,
  real,
  sizeIntegers,
} from "./settings.js";

/**
 * GPT-2 (Radford et al. 2019) and what shares its graph: DistilGPT-2, DialoGPT, Cerebras-GPT. Learned positions, layer norms
 * (Ba et al. 2016) before each part, GELU (Hendrycks & Gimpel 2016), biases everywhere but in the head.
 */
export const gpt2: Family = {
  name: "gpt2",
  contract: "layered",
  source: "gpt2.py",
  gguf: "gpt2",
  folder: "GPT2LMHeadModel",
  blueprint(checkpoint) {
    const { sizes, normEps, tied, exactGelu } =
      checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    checkSizes(checkpoint.path, sizes);
    if (!Number.isInteger(sizes.headDim))
      throw inconsistent(checkpoint.path, `has ${sizes.width} dimensions, which ${sizes.heads} heads cannot share`);
    return {
      sizes,
      integers: { ...sizeIntegers(sizes, tied), exact_gelu: exactGelu ? 1 : 0 },
      floats: { norm_eps: normEps },
      buffers: buffers(sizes, tied, prefixOf(checkpoint)),
    };
  },
};

interface Settings {
  sizes: Sizes;
  normEps: number;
  tied: boolean;
  /** GELU by the error function, not by tanh. */
  exactGelu: boolean;
}

/** A checkpoint of the model without its head, as OpenAI's own is, has shorter names. */
const prefixOf = ({ tensors }: Checkpoint): string => (tensors.has("wte.weight") ? "" : "transformer.");

function buffers({ layers, width, hidden, vocabulary, context }: Sizes, tied: boolean, prefix: string): BufferPlan[] {
  const stacked = (gguf: string, folder: string, shape: [number] | [number, number]) =>
    Array.from({ length: layers }, (_, i) => ({
      gguf: `blk.${i}.${gguf}`,
      folder: `${prefix}h.${i}.${folder}`,
      shape,
      transposedInFolder: shape.length === 2,
    }));
  /** Weight and bias of every layer. */
  const pair = (name: string, gguf: string, folder: string, rows: number, columns?: number): BufferPlan[] => {
    const shape: [number] | [number, number] = columns === undefined ? [rows] : [rows, columns];
    return [
      { name, shape: [layers, ...shape], parts: stacked(`${gguf}.weight`, `${folder}.weight`, shape) },
      { name: `${name}_bias`, shape: [layers, rows], parts: stacked(`${gguf}.bias`, `${folder}.bias`, [rows]) },
    ];
  };
  const single = (name: string, gguf: string, folder: string, shape: [number] | [number, number]): BufferPlan => ({
    name,
    shape,
    parts: [{ gguf, folder, shape }],
  });
  return [
    single("embedding", "token_embd.weight", `${prefix}wte.weight`, [vocabulary, width]),
    single("positions", "position_embd.weight", `${prefix}wpe.weight`, [context, width]),
    ...pair("attention_norm", "attn_norm", "ln_1", width),
    ...pair("qkv", "attn_qkv", "attn.c_attn", 3 * width, width),
    ...pair("attention_out", "attn_output", "attn.c_proj", width, width),
    ...pair("mlp_norm", "ffn_norm", "ln_2", width),
    ...pair("up", "ffn_up", "mlp.c_fc", hidden, width),
    ...pair("down", "ffn_down", "mlp.c_proj", width, hidden),
    single("final_norm", "output_norm.weight", `${prefix}ln_f.weight`, [width]),
    single("final_norm_bias", "output_norm.bias", `${prefix}ln_f.bias`, [width]),
    ...(tied ? [] : [single("head", "output.weight", "lm_head.weight", [vocabulary, width])]),
  ];
}

const ggufSettings = z.object({
  "gpt2.block_count": count,
  "gpt2.context_length": count,
  "gpt2.embedding_length": count,
  "gpt2.feed_forward_length": count,
  "gpt2.attention.head_count": count,
  "gpt2.attention.layer_norm_epsilon": real,
  "gpt2.vocab_size": count.optional(),
});

const GGUF_NEUTRAL: NeutralSettings = {
  "gpt2.attention.causal": { neutral: [true], asks: "attention that is not causal" },
  "gpt2.expert_count": { neutral: [0], asks: "mixture-of-experts layers" },
  "gpt2.expert_used_count": { neutral: [0], asks: "mixture-of-experts layers" },
};

function fromGguf(checkpoint: Checkpoint): Settings {
  const { tensors } = checkpoint;
  const read = readGgufSettings(checkpoint, "gpt2", ggufSettings, GGUF_NEUTRAL);
  const [width, heads] = [read["gpt2.embedding_length"], read["gpt2.attention.head_count"]];
  return {
    sizes: {
      layers: read["gpt2.block_count"],
      heads,
      kvHeads: heads,
      headDim: width / heads,
      width,
      hidden: read["gpt2.feed_forward_length"],
      // The embedding knows best: files exist whose vocabulary was padded after the settings were written.
      vocabulary: tensors.get("token_embd.weight")?.shape[0] ?? read["gpt2.vocab_size"] ?? 0,
      context: read["gpt2.context_length"],
    },
    normEps: read["gpt2.attention.layer_norm_epsilon"],
    tied: !tensors.has("output.weight"),
    exactGelu: false, // The format has no setting for it, and llama.cpp computes this one.
  };
}

/** transformers' names of activations: GELU by the error function or by tanh. */
const EXACT_GELU: Record<string, boolean> = {
  gelu: true,
  gelu_new: false,
  gelu_fast: false,
  gelu_pytorch_tanh: false,
};

// Defaults are those of transformers' GPT2Config.
const folderSettings = z.object({
  n_layer: count.default(12),
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
  const { path, tensors } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  const exactGelu = Object.hasOwn(EXACT_GELU, read.activation_function)
    ? EXACT_GELU[read.activation_function]
    : undefined;
  if (exactGelu === undefined) throw unsupported(path, `has the activation ${read.activation_function}, not GELU`);
  if (!read.scale_attn_weights) throw unsupported(path, "has attention scores that are not scaled");
  if (read.scale_attn_by_inverse_layer_idx) throw unsupported(path, "has attention scores scaled by layer");
  if (read.add_cross_attention) throw unsupported(path, "has cross-attention");
  return {
    sizes: {
      layers: read.n_layer,
      heads: read.n_head,
      kvHeads: read.n_head,
      headDim: read.n_embd / read.n_head,
      width: read.n_embd,
      hidden: read.n_inner ?? 4 * read.n_embd,
      vocabulary: read.vocab_size,
      context: read.n_positions,
    },
    normEps: read.layer_norm_epsilon,
    // Some tied checkpoints were saved with the head written out; it is the same weights then.
    tied: read.tie_word_embeddings && !tensors.has("lm_head.weight"),
    exactGelu,
  };
}
