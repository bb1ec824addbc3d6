import { z } from "zod";
import type { RotarySpec } from "../../native.js";
import { type Checkpoint, refused } from "../checkpoint.js";
import { DecoderBuffers, headParts, isTied } from "./decoder.js";
import type { Blueprint, Family, Sizes } from "./family.js";
import { slidingLayers } from "./foreign.js";
import { folderRotary, type Rotary, ropeParameters, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** Gemma 2 (Riviere et al. 2024, arXiv:2408.00118): every second layer sees a window, attention scores and logits are bounded. */
export const gemma2: Family = {
  name: "gemma2",
  sources: ["gemma.py"],
  gguf: "gemma2",
  folder: "Gemma2ForCausalLM",
  blueprint: (checkpoint) =>
    blueprint(checkpoint, {
      ...{ headNorms: false, pattern: 2, largest: 46, softcaps: [50, 30] },
      ...{ vocabulary: 256_000, context: 8192 },
    }),
};

/** Gemma 3 (Kamath et al. 2025, arXiv:2503.19786), texts alone: five layers of six see a window, with positions of their own. */
export const gemma3: Family = {
  name: "gemma3",
  sources: ["gemma.py"],
  gguf: "gemma3",
  folder: "Gemma3ForCausalLM",
  blueprint: (checkpoint) =>
    blueprint(checkpoint, {
      ...{ headNorms: true, pattern: 6, largest: 62, softcaps: [0, 0] },
      ...{ vocabulary: 262_208, context: 131_072 },
    }),
};

interface Traits {
  headNorms: boolean;
  /** Every so many layers one sees all. */
  pattern: number;
  /** Layers of the model whose attention is scaled by the width instead of the heads' (27B): no GGUF setting tells. */
  largest: number;
  /** Of attention's scores and of logits, where the settings do not say. */
  softcaps: [number, number];
  /** Where config.json does not say. */
  vocabulary: number;
  context: number;
}

/** Rotary base of the layers that see a window, which GGUF left out at first. */
const LOCAL_THETA = 10_000;

interface Settings extends Omit<Blueprint, "buffers" | "integers" | "floats" | "normedParts"> {
  logitSoftcap: number;
}

function blueprint(checkpoint: Checkpoint, traits: Traits): Blueprint {
  const { logitSoftcap, ...settings } =
    checkpoint.format === "gguf" ? fromGguf(checkpoint, traits) : fromFolder(checkpoint, traits);
  const { sizes, tied } = settings;
  // transformers keeps a norm's weight as its distance from one; llama.cpp's converter adds it.
  const norm = checkpoint.format === "folder" ? { plus: 1 } : {};
  const renamed = checkpoint.format === "folder" ? { mlpNorm: "pre_feedforward_layernorm" } : {};
  const plan = new DecoderBuffers(checkpoint, sizes, renamed)
    .ends(tied, norm)
    .vector("attention_norm", "attentionNorm", norm)
    .qkv()
    .attentionOut()
    .vector("attention_post_norm", "attentionPostNorm", norm)
    .vector("mlp_norm", "mlpNorm", norm)
    .gatedMlp()
    .vector("mlp_post_norm", "mlpPostNorm", norm);
  if (traits.headNorms) plan.headNorms(norm);
  else plan.none("qk_norm");
  return {
    ...settings,
    ...(traits.headNorms ? { normedParts: headParts(sizes) } : {}),
    // In float32, as transformers keeps it.
    floats: { embedding_scale: Math.fround(Math.sqrt(sizes.width)), logit_softcap: logitSoftcap },
    buffers: plan.list,
  };
}

const ggufSettings = ggufRotary.extend({
  "attention.layer_norm_rms_epsilon": real,
  "attention.sliding_window": count.optional(),
  // Every so many layers one sees all; or of each layer whether it sees a window.
  "attention.sliding_window_pattern": z.union([count, z.array(z.boolean())]).optional(),
  "rope.freq_base_swa": real.default(LOCAL_THETA),
  attn_logit_softcapping: z.number().nonnegative().optional(),
  final_logit_softcapping: z.number().nonnegative().optional(),
});

function fromGguf(checkpoint: Checkpoint, traits: Traits): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  const spec = onlyTable(checkpoint.path, rotaryOfGguf(checkpoint, read, sizes));
  const scaled = sizes.layers === traits.largest ? sizes.width / sizes.heads : sizes.headDim;
  const pattern = read["attention.sliding_window_pattern"] ?? traits.pattern;
  const sees = Array.from({ length: sizes.layers }, (_, i) =>
    typeof pattern === "number" ? (i + 1) % pattern === 0 : pattern[i] === false,
  );
  return {
    sizes,
    tied: isTied(checkpoint, true),
    rotary: traits.headNorms
      ? [spec, { dimensions: spec.dimensions, theta: read["rope.freq_base_swa"], factor: 1 }]
      : [spec],
    rotaryOf: sees.map((all) => (all || !traits.headNorms ? 0 : 1)),
    windows: sees.map((all) => (all ? 0 : (read["attention.sliding_window"] ?? 0))),
    normEps: read["attention.layer_norm_rms_epsilon"],
    activation: "gelu_tanh",
    attentionScale: 1 / Math.sqrt(scaled),
    attentionSoftcap: read.attn_logit_softcapping ?? traits.softcaps[0],
    logitSoftcap: read.final_logit_softcapping ?? traits.softcaps[1],
  };
}

/** Of Gemma 2 one, of Gemma 3 one for each kind of layer. */
function tables(path: string, read: z.infer<typeof folderSettings>, sizes: Sizes, { headNorms }: Traits) {
  const { rope_parameters: rope, rope_scaling: scaling, ...old } = read;
  const nested = Boolean(rope?.full_attention ?? rope?.sliding_attention);
  if (rope && nested !== headNorms) throw refused(path, "rope_parameters", rope);
  const table = (asked: z.infer<typeof folderRotary>, theta: number) =>
    onlyTable(path, rotaryOfFolder(path, asked, sizes, { theta }));
  if (!headNorms) {
    const full = table(read, LOCAL_THETA);
    return { full, local: full };
  }
  // As transformers lays the older setting over the newer one.
  const full = { ...(rope?.full_attention ?? { rope_type: "default" }), ...scaling };
  return {
    full: table({ ...old, rope_parameters: full }, 1_000_000),
    local: table({ rope_parameters: rope?.sliding_attention ?? {} }, read.rope_local_base_freq),
  };
}

function onlyTable(path: string, { spec, long }: Rotary): RotarySpec {
  if (long) throw refused(path, "rope_scaling", "longrope");
  return spec;
}

// Defaults are those of transformers' Gemma2Config and Gemma3TextConfig.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count.default(8),
  num_key_value_heads: count.default(4),
  head_dim: count.default(256),
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count.optional(),
  max_position_embeddings: count.optional(),
  rms_norm_eps: real.default(1e-6),
  hidden_activation: z.string().nullish(),
  query_pre_attn_scalar: real.default(256),
  sliding_window: count.nullish(),
  sliding_window_pattern: count.nullish(),
  layer_types: z.array(z.string()).nullish(),
  attn_logit_softcapping: real.nullish(),
  final_logit_softcapping: real.nullish(),
  rope_local_base_freq: real.default(LOCAL_THETA),
  tie_word_embeddings: z.boolean().default(true),
  // One table, or one for each kind of layer.
  rope_parameters: ropeParameters
    .extend({ sliding_attention: ropeParameters.nullish(), full_attention: ropeParameters.nullish() })
    .nullish(),
});

function fromFolder(checkpoint: Checkpoint, traits: Traits): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  // transformers' Gemma 3 has the setting, and does not go by it.
  if (traits.headNorms && read.attn_logit_softcapping)
    throw refused(path, "attn_logit_softcapping", read.attn_logit_softcapping);
  const { vocab_size = traits.vocabulary, max_position_embeddings = traits.context } = read;
  const sizes = folderSizes({ ...read, vocab_size, max_position_embeddings });
  const { full, local } = tables(path, read, sizes, traits);
  const pattern = read.sliding_window_pattern ?? traits.pattern;
  const sees = read.layer_types
    ? slidingLayers(path, read.layer_types, sizes.layers).map((sliding) => !sliding)
    : Array.from({ length: sizes.layers }, (_, i) => (i + 1) % pattern === 0);
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    rotary: traits.headNorms ? [full, local] : [full],
    rotaryOf: sees.map((all) => (all || !traits.headNorms ? 0 : 1)),
    windows: sees.map((all) => (all ? 0 : (read.sliding_window ?? 4096))),
    normEps: read.rms_norm_eps,
    activation: activationOf(path, read.hidden_activation ?? "gelu_pytorch_tanh", "hidden_activation"),
    attentionScale: read.query_pre_attn_scalar ** -0.5,
    attentionSoftcap: read.attn_logit_softcapping ?? 0,
    logitSoftcap: read.final_logit_softcapping ?? 0,
  };
}
