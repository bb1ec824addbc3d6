import { z } from "zod";
import type { RotarySpec } from "../../native.js";
import { type Checkpoint, unsupported } from "../checkpoint.js";
import { DecoderBuffers, headParts, isTied } from "./decoder.js";
import type { Blueprint, Family } from "./family.js";
import {
  folderRotary,
  type RopeParameters,
  type Rotary,
  ropeParameters,
  rotaryOfFolder,
  rotaryOfGguf,
} from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** Gemma 2 (Riviere et al. 2024, arXiv:2408.00118): every second layer sees a window, attention scores and logits are bounded. */
export const gemma2: Family = {
  name: "gemma2",
  sources: ["gemma.py"],
  gguf: "gemma2",
  folder: "Gemma2ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { headNorms: false, pattern: 2, largest: 46, softcaps: [50, 30] }),
};

/** Gemma 3 (Kamath et al. 2025, arXiv:2503.19786), its text models: five layers of six see a window, with positions of their own. */
export const gemma3: Family = {
  name: "gemma3",
  sources: ["gemma.py"],
  gguf: "gemma3",
  folder: "Gemma3ForCausalLM",
  blueprint: (checkpoint) => blueprint(checkpoint, { headNorms: true, pattern: 6, largest: 62, softcaps: [0, 0] }),
};

interface Traits {
  headNorms: boolean;
  /** Every so many layers one sees all. */
  pattern: number;
  /** Layers of the model whose attention is scaled by the width instead of the heads' (27B): no GGUF setting tells. */
  largest: number;
  /** Of attention's scores and of logits, where the settings do not say. */
  softcaps: [number, number];
}

type LayerType = "sliding_attention" | "full_attention";

/** Rotary base of the layers that see a window, which GGUF leaves out. */
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
  attn_logit_softcapping: z.number().nonnegative().optional(),
  final_logit_softcapping: z.number().nonnegative().optional(),
});

function fromGguf(checkpoint: Checkpoint, traits: Traits): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  const spec = onlyTable(checkpoint.path, rotaryOfGguf(checkpoint, read, sizes));
  const scaled = sizes.layers === traits.largest ? sizes.width / sizes.heads : sizes.headDim;
  const sees = Array.from({ length: sizes.layers }, (_, i) => (i + 1) % traits.pattern === 0);
  return {
    sizes,
    tied: isTied(checkpoint, true),
    rotary: traits.headNorms ? [spec, { dimensions: spec.dimensions, theta: LOCAL_THETA, factor: 1 }] : [spec],
    rotaryOf: sees.map((all) => (all || !traits.headNorms ? 0 : 1)),
    windows: sees.map((all) => (all ? 0 : (read["attention.sliding_window"] ?? 0))),
    normEps: read["attention.layer_norm_rms_epsilon"],
    activation: "gelu_tanh",
    attentionScale: 1 / Math.sqrt(scaled),
    attentionSoftcap: read.attn_logit_softcapping ?? traits.softcaps[0],
    logitSoftcap: read.final_logit_softcapping ?? traits.softcaps[1],
  };
}

function onlyTable(path: string, { spec, long }: Rotary): RotarySpec {
  if (long) throw unsupported(path, "asks for rotary scaling (longrope)");
  return spec;
}

// Defaults are those of transformers' Gemma2Config and Gemma3TextConfig.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count.default(256),
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(8192),
  rms_norm_eps: real.default(1e-6),
  hidden_activation: z.string().nullish(),
  query_pre_attn_scalar: real.default(256),
  attention_bias: z.boolean().default(false),
  sliding_window: count.nullish(),
  sliding_window_pattern: count.nullish(),
  layer_types: z.array(z.string()).nullish(),
  attn_logit_softcapping: real.nullish(),
  final_logit_softcapping: real.nullish(),
  rope_local_base_freq: real.default(LOCAL_THETA),
  use_bidirectional_attention: z.boolean().nullish(),
  tie_word_embeddings: z.boolean().default(true),
  // One table, or one for each kind of layer.
  rope_parameters: z
    .union([z.object({ sliding_attention: ropeParameters, full_attention: ropeParameters }), ropeParameters])
    .nullish(),
});

function fromFolder(checkpoint: Checkpoint, traits: Traits): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  if (read.attention_bias) throw unsupported(path, "has biases");
  if (read.use_bidirectional_attention) throw unsupported(path, "asks for attention that is not causal");
  const sizes = folderSizes(read);
  const { rope_parameters: rope, ...old } = read;
  const both = rope && "full_attention" in rope ? (rope as Record<LayerType, RopeParameters>) : undefined;
  const table = (asked: z.infer<typeof folderRotary>, theta: number) =>
    onlyTable(path, rotaryOfFolder(path, asked, sizes, { theta }));
  const full = table(
    { ...old, rope_parameters: both ? both.full_attention : rope },
    traits.headNorms ? 1_000_000 : 10_000,
  );
  const local = table(
    both ? { rope_parameters: both.sliding_attention } : { rope_theta: read.rope_local_base_freq },
    10_000,
  );
  const pattern = read.sliding_window_pattern ?? traits.pattern;
  const sees = Array.from({ length: sizes.layers }, (_, i) =>
    read.layer_types ? read.layer_types[i] !== "sliding_attention" : (i + 1) % pattern === 0,
  );
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    rotary: traits.headNorms ? [full, local] : [full],
    rotaryOf: sees.map((all) => (all || !traits.headNorms ? 0 : 1)),
    windows: sees.map((all) => (all ? 0 : (read.sliding_window ?? 4096))),
    normEps: read.rms_norm_eps,
    activation: activationOf(path, read.hidden_activation ?? "gelu_pytorch_tanh"),
    attentionScale: read.query_pre_attn_scalar ** -0.5,
    attentionSoftcap: read.attn_logit_softcapping ?? 0,
    logitSoftcap: read.final_logit_softcapping ?? 0,
  };
}
