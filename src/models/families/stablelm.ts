import { z } from "zod";
import { type Checkpoint, unsupported } from "../checkpoint.js";
import { DecoderBuffers, isTied } from "./decoder.js";
import type { Blueprint, Family } from "./family.js";
import { folderRotary, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** StableLM 2 and 3B (Bellagente et al. 2024, arXiv:2402.17834); those with norms of queries and keys (12B) are refused. */
export const stablelm: Family = {
  name: "stablelm",
  sources: ["layer_norm.py", "stablelm.py"],
  gguf: "stablelm",
  folder: "StableLmForCausalLM",
  blueprint(checkpoint) {
    const { parallel, qkvBias, ...settings } =
      checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    const { sizes, tied } = settings;
    const plan = new DecoderBuffers(checkpoint, sizes)
      .ends(tied)
      .finalNormBias()
      .vector("attention_norm", "attentionNorm")
      .vector("attention_norm_bias", "attentionNorm", { kind: "bias" })
      .qkv()
      .attentionOut()
      .gatedMlp();
    // Side by side, both parts read the same norm.
    const norm = parallel ? "attentionNorm" : "mlpNorm";
    plan.vector("mlp_norm", norm).vector("mlp_norm_bias", norm, { kind: "bias" });
    if (qkvBias) plan.qkvBias();
    else plan.none("qkv_bias");
    plan.none("attention_out_bias");
    return { ...settings, integers: { parallel: parallel ? 1 : 0 }, buffers: plan.list };
  },
};

type Settings = Omit<Blueprint, "buffers"> & { parallel: boolean; qkvBias: boolean };

const ggufSettings = ggufRotary.extend({
  "attention.layer_norm_epsilon": real,
  use_parallel_residual: z.boolean().default(false),
});

function fromGguf(checkpoint: Checkpoint): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  const rotary = rotaryOfGguf(checkpoint, read, sizes);
  return {
    sizes,
    tied: isTied(checkpoint, true),
    ...rotaryBlueprint(rotary),
    normEps: read["attention.layer_norm_epsilon"],
    activation: "silu",
    parallel: read.use_parallel_residual,
    qkvBias: checkpoint.tensors.has("blk.0.attn_q.bias"),
  };
}

// Defaults are those of transformers' StableLmConfig.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  num_key_value_heads: count,
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(4096),
  layer_norm_eps: real.default(1e-5),
  hidden_act: z.string().default("silu"),
  use_qkv_bias: z.boolean().default(false),
  qk_layernorm: z.boolean().default(false),
  use_parallel_residual: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(false),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  if (read.qk_layernorm) throw unsupported(path, "has layer norms of queries and keys");
  const sizes = folderSizes(read);
  const rotary = rotaryOfFolder(path, read, sizes, { share: 0.25 });
  return {
    sizes,
    tied: isTied(checkpoint, read.tie_word_embeddings),
    ...rotaryBlueprint(rotary),
    normEps: read.layer_norm_eps,
    activation: activationOf(path, read.hidden_act),
    parallel: read.use_parallel_residual,
    qkvBias: read.use_qkv_bias,
  };
}
