import { z } from "zod";
import { type Checkpoint, unsupported } from "../checkpoint.js";
import { DecoderBuffers, headParts, isTied } from "./decoder.js";
import type { Blueprint, Family, Sizes } from "./family.js";
import { folderRotary, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import {
  activationOf,
  count,
  folderSizes,
  ggufRotary,
  layerCount,
  type NeutralSettings,
  readGguf,
  readSettings,
  real,
} from "./settings.js";

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
  blueprint: (checkpoint) => blueprint(checkpoint, { interleaved: true }),
};

/** Mistral 7B (Jiang et al. 2023): a window of attention in its first version. */
export const mistral: Family = {
  name: "mistral",
  sources: ["rms_norm.py", "llama.py"],
  folder: "MistralForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { windowed: true }),
};

/** Qwen 2 and 2.5 (Yang et al. 2024): biases of queries, keys and values. */
export const qwen2: Family = {
  name: "qwen2",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "qwen2",
  folder: "Qwen2ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { qkvBias: true }),
};

/** Qwen 3 (Yang et al. 2025): norms of each head's queries and keys. */
export const qwen3: Family = {
  name: "qwen3",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "qwen3",
  folder: "Qwen3ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { headNorms: true }),
};

/** Phi-3 and Phi-4 (Abdin et al. 2024): joint projections, and LongRoPE in the versions for long texts. */
export const phi3: Family = {
  name: "phi3",
  sources: ["rms_norm.py", "llama.py"],
  gguf: "phi3",
  folder: "Phi3ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { joint: true, windowed: true }),
};

interface Traits {
  /** GGUF interleaves the rows of queries and keys. */
  interleaved?: boolean;
  /** A `sliding_window` is of all layers. */
  windowed?: boolean;
  qkvBias?: boolean;
  headNorms?: boolean;
  /** Queries, keys and values are one tensor, gate and up another. */
  joint?: boolean;
}

function blueprint(checkpoint: Checkpoint, traits: Traits): Blueprint {
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
  traits: Traits,
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
export function attention(plan: DecoderBuffers, { qkvBias }: DecoderSettings, traits: Traits): void {
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
  mlp_bias: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(false),
  sliding_window: z.int().nonnegative().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().nonnegative().nullish(),
  layer_types: z.array(z.string()).nullish(),
});

/** @param neutral GGUF settings beside those of Llama that may stand if they ask for nothing, or are read elsewhere. */
export function readDecoder(checkpoint: Checkpoint, traits: Traits, neutral: NeutralSettings = {}): DecoderSettings {
  const settings =
    checkpoint.format === "gguf" ? fromGguf(checkpoint, traits, neutral) : fromFolder(checkpoint, traits);
  return { ...settings, ...(traits.headNorms ? { normedParts: headParts(settings.sizes) } : {}) };
}

function fromGguf(checkpoint: Checkpoint, traits: Traits, neutral: NeutralSettings): DecoderSettings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings, neutral);
  const window = read["attention.sliding_window"] ?? 0;
  if (window > 0 && !traits.windowed)
    throw unsupported(checkpoint.path, `asks for sliding-window attention (sliding_window = ${window})`);
  return {
    sizes,
    tied: isTied(checkpoint, true),
    ...rotaryBlueprint(rotaryOfGguf(checkpoint, read, sizes)),
    windows: windowsOf(sizes, window),
    normEps: read["attention.layer_norm_rms_epsilon"],
    activation: "silu",
    qkvBias: traits.qkvBias ?? false,
    outBias: false,
  };
}

function fromFolder(checkpoint: Checkpoint, traits: Traits): DecoderSettings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  if (read.mlp_bias) throw unsupported(path, "has biases in its MLP");
  const sizes = folderSizes(read);
  // Qwen's may have a window in later layers, and then say so; others have it in all or in none.
  const window = read.use_sliding_window === false ? 0 : (read.sliding_window ?? 0);
  const windowed = (i: number) =>
    read.layer_types
      ? read.layer_types[i] === "sliding_attention"
      : traits.windowed || i >= (read.max_window_layers ?? sizes.layers);
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    ...rotaryBlueprint(rotaryOfFolder(path, read, sizes)),
    windows: windowsOf(sizes, window).map((size, i) => (windowed(i) ? size : 0)),
    normEps: read.rms_norm_eps,
    activation: activationOf(path, read.hidden_act),
    qkvBias: traits.qkvBias || (read.attention_bias ?? false),
    outBias: read.attention_bias ?? false,
  };
}

const windowsOf = ({ layers }: Sizes, window: number) => new Array<number>(layers).fill(window);
