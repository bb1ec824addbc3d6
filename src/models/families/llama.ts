import { z } from "zod";
import { type Checkpoint, refused, unsupported } from "../checkpoint.js";
import { DecoderBuffers, headParts, isTied } from "./decoder.js";
import type { Blueprint, Family, Sizes } from "./family.js";
import { slidingLayers } from "./foreign.js";
import { folderRotary, type RotaryTraits, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971) and what shares its graph: Llama 2 and 3, TinyLlama, SmolLM and SmolLM2, Mistral
 * 7B as llama.cpp converts it. Grouped-query attention (Ainslie et al. 2023), rotary positions (Su et al. 2021), RMS norms, SwiGLU.
 */
export const llama: Family = {
  name: "llama",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "llama",
  folder: "LlamaForCausalLM",
  covers: ({ settings }) => !settings.get("llama.expert_count"),
  blueprint: (checkpoint) => blueprint(checkpoint, { interleaved: true, biased: true }),
};

/** Mistral 7B (Jiang et al. 2023): a window of attention in its first version. */
export const mistral: Family = {
  name: "mistral",
  sources: ["rms_norm.py", "llama.py"],
  folder: "MistralForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { windows: "all" }),
};

/** Qwen 2 and 2.5 (Yang et al. 2024): biases of queries, keys and values. */
export const qwen2: Family = {
  name: "qwen2",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "qwen2",
  folder: "Qwen2ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { qkvBias: true, windows: "later" }),
};

/** Qwen 3 (Yang et al. 2025): norms of each head's queries and keys. */
export const qwen3: Family = {
  name: "qwen3",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "qwen3",
  folder: "Qwen3ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { headNorms: true, windows: "later", biased: true }),
};

/** Phi-3 and Phi-4 (Abdin et al. 2024): joint projections, and LongRoPE in the versions for long texts. */
export const phi3: Family = {
  name: "phi3",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "phi3",
  folder: "Phi3ForCausalLM",
  blueprint: (checkpoint) =>
    blueprint(checkpoint, { joint: true, windows: "all", rotary: { share: 1, longOnly: true } }),
};

export interface DecoderTraits {
  /** GGUF interleaves the rows of queries and keys. */
  interleaved?: boolean;
  /** Which layers a `sliding_window` is of, where `layer_types` does not say: all, every second, or those from `max_window_layers` on. Default: none has one. */
  windows?: "all" | "alternate" | "later";
  /** Biases of queries, keys and values. */
  qkvBias?: boolean;
  /** `attention_bias` may ask for biases of all of attention's projections. */
  biased?: boolean;
  headNorms?: boolean;
  /** Queries, keys and values are one tensor, gate and up another. */
  joint?: boolean;
  rotary?: RotaryTraits;
}

function blueprint(checkpoint: Checkpoint, traits: DecoderTraits): Blueprint {
  const settings = readDecoder(checkpoint, traits);
  return { ...settings, buffers: buffers(checkpoint, settings, traits).list };
}

/** What a decoder of Llama's kind has, whichever its MLP. */
export interface DecoderSettings extends Omit<Blueprint, "buffers"> {
  /** Biases of queries, keys and values, and of attention's output. */
  qkvBias: boolean;
  outBias: boolean;
}

function buffers(
  checkpoint: Checkpoint,
  { sizes, tied, outBias, ...settings }: DecoderSettings,
  traits: DecoderTraits,
): DecoderBuffers {
  const { heads, kvHeads, headDim, width, hidden } = sizes;
  const plan = new DecoderBuffers(checkpoint, sizes).ends(tied).vector("attention_norm", "attentionNorm");
  attention(plan, { sizes, tied, outBias, ...settings }, traits);
  if (outBias) plan.vector("attention_out_bias", "attentionOut", { kind: "bias" });
  else plan.none("attention_out_bias");
  plan.vector("mlp_norm", "mlpNorm");
  if (!traits.joint) return plan.gatedMlp();
  const rows = (heads + 2 * kvHeads) * headDim;
  return plan
    .each("qkv", [rows, width], (i) => ({ tensor: plan.at(i, "qkv"), shape: [rows, width] }))
    .each("gate_up", [2 * hidden, width], (i) => ({ tensor: plan.at(i, "gateUp"), shape: [2 * hidden, width] }))
    .mlpDown();
}

/** Queries, keys, values and their norms; and attention's output but for its bias. */
export function attention(plan: DecoderBuffers, { qkvBias }: DecoderSettings, traits: DecoderTraits): void {
  const { interleaved = false } = traits;
  if (!traits.joint) plan.qkv(interleaved);
  if (qkvBias) plan.qkvBias(interleaved);
  else plan.none("qkv_bias");
  if (traits.headNorms) plan.headNorms();
  else plan.none("qk_norm");
  plan.attentionOut();
}

const ggufSettings = ggufRotary.extend({
  "attention.layer_norm_rms_epsilon": real,
  "attention.sliding_window": z.int().nonnegative().optional(),
});

// Defaults are those of transformers' configurations.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  rms_norm_eps: real.default(1e-6),
  hidden_act: z.string().default("silu"),
  attention_bias: z.boolean().nullish(),
  qkv_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  sliding_window: z.int().nonnegative().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
});

/** @param elsewhere settings beside those of Llama that are read elsewhere: GGUF's, or config.json's. */
export function readDecoder(
  checkpoint: Checkpoint,
  traits: DecoderTraits,
  elsewhere: readonly string[] = [],
): DecoderSettings {
  const settings =
    checkpoint.format === "gguf" ? fromGguf(checkpoint, traits, elsewhere) : fromFolder(checkpoint, traits, elsewhere);
  return { ...settings, ...(traits.headNorms ? { normedParts: headParts(settings.sizes) } : {}) };
}

function fromGguf(checkpoint: Checkpoint, traits: DecoderTraits, elsewhere: readonly string[]): DecoderSettings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings, elsewhere);
  const window = read["attention.sliding_window"] ?? 0;
  if (window > 0 && traits.windows !== "all")
    throw unsupported(checkpoint.path, `asks for sliding-window attention (sliding_window = ${window})`);
  return {
    sizes,
    tied: isTied(checkpoint, true),
    ...rotaryBlueprint(rotaryOfGguf(checkpoint, read, sizes)),
    windows: new Array<number>(sizes.layers).fill(window),
    normEps: read["attention.layer_norm_rms_epsilon"],
    activation: "silu",
    qkvBias: traits.qkvBias ?? false,
    outBias: false,
  };
}

function fromFolder(checkpoint: Checkpoint, traits: DecoderTraits, elsewhere: readonly string[]): DecoderSettings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings, elsewhere);
  const sizes = folderSizes(read);
  if (read.attention_bias && !traits.biased) throw refused(path, "attention_bias", true);
  if (typeof read.qkv_bias === "boolean" && read.qkv_bias !== (traits.qkvBias ?? false))
    throw refused(path, "qkv_bias", read.qkv_bias);
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    ...rotaryBlueprint(rotaryOfFolder(path, originalContext(read, traits), sizes, traits.rotary)),
    windows: windowsOf(path, read, sizes, traits),
    normEps: read.rms_norm_eps,
    activation: activationOf(path, read.hidden_act),
    qkvBias: traits.qkvBias || (read.attention_bias ?? false),
    outBias: read.attention_bias ?? false,
  };
}

type Read = z.infer<typeof folderSettings>;

/** Phi-3's default, where its settings do not tell. */
const originalContext = (read: Read, { rotary }: DecoderTraits): Read =>
  rotary?.longOnly
    ? { ...read, original_max_position_embeddings: read.original_max_position_embeddings ?? 4096 }
    : read;

function windowsOf(path: string, read: Read, { layers }: Sizes, { windows }: DecoderTraits): number[] {
  // Qwen's have a window only if they say that they use it.
  const window = read.use_sliding_window === false ? 0 : (read.sliding_window ?? 0);
  const all = Array.from({ length: layers }, (_, i) => i);
  const told = read.layer_types ? slidingLayers(path, read.layer_types, layers) : undefined;
  const sliding = all.map((i) => {
    if (windows === "all") return window > 0;
    if (windows === "later") return told?.[i] ?? i >= (read.max_window_layers ?? layers);
    if (windows === "alternate") return told?.[i] ?? (i % 2 === 0 && i < (read.max_window_layers ?? layers));
    return false;
  });
  // Where transformers does not go by the types, or has no window for them, they say something that is not so.
  if (told && all.some((i) => told[i] !== (sliding[i] === true && window > 0)))
    throw refused(path, "layer_types", read.layer_types);
  return sliding.map((one) => (one ? window : 0));
}
