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
 * Llama (Touvron et al. 2023, arXiv:2302.13971) and what shares its graph: Llama 2, TinyLlama, SmolLM and SmolLM2, Mistral
 * 7B as llama.cpp converts it. Grouped-query attention (Ainslie et al. 2023), rotary positions (Su et al. 2021) without
 * scaling over the whole head, RMS norms, SwiGLU; no biases, no experts.
 */
export const llama: Family = {
  name: "llama",
  contract: "layered",
  source: "llama.py",
  gguf: "llama",
  folder: "LlamaForCausalLM",
  blueprint(checkpoint) {
    const { sizes, ropeTheta, normEps, tied } =
      checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    checkSizes(checkpoint.path, sizes);
    checkHeads(checkpoint.path, sizes);
    return {
      sizes,
      integers: sizeIntegers(sizes, tied),
      floats: { rope_theta: ropeTheta, norm_eps: normEps },
      buffers: buffers(sizes, tied),
    };
  },
};

interface Settings {
  sizes: Sizes;
  ropeTheta: number;
  normEps: number;
  tied: boolean;
}

function buffers({ layers, heads, kvHeads, headDim, width, hidden, vocabulary }: Sizes, tied: boolean): BufferPlan[] {
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const each = <T>(make: (i: number) => T): T[] => Array.from({ length: layers }, (_, i) => make(i));
  const layer = (i: number, gguf: string, folder: string) => ({
    gguf: `blk.${i}.${gguf}.weight`,
    folder: `model.layers.${i}.${folder}.weight`,
  });
  const plans: BufferPlan[] = [
    {
      name: "embedding",
      shape: [vocabulary, width],
      parts: [{ gguf: "token_embd.weight", folder: "model.embed_tokens.weight", shape: [vocabulary, width] }],
    },
    {
      name: "attention_norm",
      shape: [layers, width],
      parts: each((i) => ({ ...layer(i, "attn_norm", "input_layernorm"), shape: [width] })),
    },
    {
      name: "qkv",
      shape: [layers, queries + 2 * keys, width],
      parts: each((i) => [
        { ...layer(i, "attn_q", "self_attn.q_proj"), shape: [queries, width] as [number, number], rotaryHeads: heads },
        { ...layer(i, "attn_k", "self_attn.k_proj"), shape: [keys, width] as [number, number], rotaryHeads: kvHeads },
        { ...layer(i, "attn_v", "self_attn.v_proj"), shape: [keys, width] as [number, number] },
      ]).flat(),
    },
    {
      name: "attention_out",
      shape: [layers, width, queries],
      parts: each((i) => ({ ...layer(i, "attn_output", "self_attn.o_proj"), shape: [width, queries] })),
    },
    {
      name: "mlp_norm",
      shape: [layers, width],
      parts: each((i) => ({ ...layer(i, "ffn_norm", "post_attention_layernorm"), shape: [width] })),
    },
    {
      name: "gate_up",
      shape: [layers, 2 * hidden, width],
      parts: each((i) => [
        { ...layer(i, "ffn_gate", "mlp.gate_proj"), shape: [hidden, width] as [number, number] },
        { ...layer(i, "ffn_up", "mlp.up_proj"), shape: [hidden, width] as [number, number] },
      ]).flat(),
    },
    {
      name: "down",
      shape: [layers, width, hidden],
      parts: each((i) => ({ ...layer(i, "ffn_down", "mlp.down_proj"), shape: [width, hidden] })),
    },
    {
      name: "final_norm",
      shape: [width],
      parts: [{ gguf: "output_norm.weight", folder: "model.norm.weight", shape: [width] }],
    },
  ];
  if (!tied) {
    plans.push({
      name: "head",
      shape: [vocabulary, width],
      parts: [{ gguf: "output.weight", folder: "lm_head.weight", shape: [vocabulary, width] }],
    });
  }
  return plans;
}

const ggufSettings = z.object({
  "llama.block_count": count,
  "llama.context_length": count,
  "llama.embedding_length": count,
  "llama.feed_forward_length": count,
  "llama.attention.head_count": count,
  "llama.attention.head_count_kv": count.optional(),
  "llama.attention.key_length": count.optional(),
  "llama.attention.value_length": count.optional(),
  "llama.attention.layer_norm_rms_epsilon": real,
  "llama.rope.dimension_count": count.optional(),
  "llama.rope.freq_base": real.default(10_000),
  "llama.vocab_size": count.optional(),
});

const GGUF_NEUTRAL: NeutralSettings = {
  "llama.rope.scaling.type": { neutral: ["none"], asks: "rotary scaling" },
  "llama.rope.scaling.factor": { neutral: [0, 1], asks: "rotary scaling" },
  "llama.rope.scale_linear": { neutral: [0, 1], asks: "rotary scaling" },
  "llama.expert_count": { neutral: [0], asks: "mixture-of-experts layers" },
  "llama.expert_used_count": { neutral: [0], asks: "mixture-of-experts layers" },
  "llama.attention.causal": { neutral: [true], asks: "attention that is not causal" },
  "llama.attention.sliding_window": { neutral: [0], asks: "sliding-window attention" },
};

function fromGguf(checkpoint: Checkpoint): Settings {
  const { path, tensors } = checkpoint;
  const read = readGgufSettings(checkpoint, "llama", ggufSettings, GGUF_NEUTRAL);
  const [width, heads] = [read["llama.embedding_length"], read["llama.attention.head_count"]];
  const headDim = read["llama.attention.key_length"] ?? width / heads;
  const rotary = read["llama.rope.dimension_count"] ?? headDim;
  if (rotary !== headDim) throw unsupported(path, `turns only ${rotary} of the ${headDim} dimensions of a head`);
  if ((read["llama.attention.value_length"] ?? headDim) !== headDim)
    throw unsupported(path, "has values of another size than keys");
  return {
    sizes: {
      layers: read["llama.block_count"],
      heads,
      kvHeads: read["llama.attention.head_count_kv"] ?? heads,
      headDim,
      width,
      hidden: read["llama.feed_forward_length"],
      // The embedding knows best: files exist whose vocabulary was padded after the settings were written.
      vocabulary: tensors.get("token_embd.weight")?.shape[0] ?? read["llama.vocab_size"] ?? 0,
      context: read["llama.context_length"],
    },
    ropeTheta: read["llama.rope.freq_base"],
    normEps: read["llama.attention.layer_norm_rms_epsilon"],
    tied: !tensors.has("output.weight"),
  };
}

// Defaults are those of transformers' LlamaConfig.
const rope = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: real.optional(),
});
const folderSettings = z.object({
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  rms_norm_eps: real.default(1e-6),
  rope_theta: real.nullish(),
  rope_scaling: rope.nullish(),
  rope_parameters: rope.nullish(),
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path, tensors } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  for (const { rope_type, type } of [read.rope_scaling ?? {}, read.rope_parameters ?? {}]) {
    const scaling = rope_type ?? type ?? "default";
    if (scaling !== "default") throw unsupported(path, `asks for rotary scaling (${scaling})`);
  }
  if (read.attention_bias || read.mlp_bias) throw unsupported(path, "has biases");
  if (read.hidden_act !== "silu") throw unsupported(path, `has the activation ${read.hidden_act}, not silu`);
  return {
    sizes: {
      layers: read.num_hidden_layers,
      heads: read.num_attention_heads,
      kvHeads: read.num_key_value_heads ?? read.num_attention_heads,
      headDim: read.head_dim ?? read.hidden_size / read.num_attention_heads,
      width: read.hidden_size,
      hidden: read.intermediate_size,
      vocabulary: read.vocab_size,
      context: read.max_position_embeddings,
    },
    ropeTheta: read.rope_parameters?.rope_theta ?? read.rope_theta ?? 10_000,
    normEps: read.rms_norm_eps,
    // Some tied checkpoints were saved with the head written out; it is the same weights then.
    tied: read.tie_word_embeddings && !tensors.has("lm_head.weight"),
  };
}

function checkHeads(path: string, { heads, kvHeads, headDim, width }: Sizes): void {
  if (heads % kvHeads !== 0)
    throw inconsistent(path, `has ${heads} heads, which ${kvHeads} key/value heads cannot share`);
  if (headDim % 2 !== 0)
    throw inconsistent(path, `has ${width} dimensions in ${heads} heads: ${headDim} each is no even number`);
}
