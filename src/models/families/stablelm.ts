import { z } from "zod";
import type { Checkpoint } from "../checkpoint.js";
import { DecoderBuffers, headParts, isTied } from "./decoder.js";
import type { Blueprint, Family, PartPlan, Sizes } from "./family.js";
import { folderRotary, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** StableLM 2 and 3B (Bellagente et al. 2024, arXiv:2402.17834); 12B has layer norms of each head's queries and keys. */
export const stablelm: Family = {
  name: "stablelm",
  sources: ["layer_norm.py", "stablelm.py"],
  gguf: "stablelm",
  folder: "StableLmForCausalLM",
  blueprint(checkpoint) {
    const { parallel, qkvBias, headNorms, ...settings } =
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
    if (headNorms) addHeadNorms(plan, checkpoint.format, sizes);
    else plan.none("qk_norm");
    return {
      ...settings,
      ...(headNorms ? { normedParts: headParts(sizes) } : {}),
      integers: { parallel: parallel ? 1 : 0 },
      buffers: plan.list,
    };
  },
};

type Settings = Omit<Blueprint, "buffers"> & { parallel: boolean; qkvBias: boolean; headNorms: boolean };

/** A tensor for each head in a folder, one for all in GGUF. */
function addHeadNorms(plan: DecoderBuffers, format: Checkpoint["format"], { heads, kvHeads, headDim }: Sizes): void {
  const parts = (i: number, gguf: string, folder: string, count: number): PartPlan[] =>
    format === "gguf"
      ? [{ tensor: `blk.${i}.${gguf}.weight`, shape: [count, headDim] }]
      : Array.from({ length: count }, (_, head) => ({
          tensor: `model.layers.${i}.self_attn.${folder}.norms.${head}.weight`,
          shape: [headDim],
        }));
  plan.each("qk_norm", [(heads + kvHeads) * headDim], (i) => [
    ...parts(i, "attn_q_norm", "q_layernorm", heads),
    ...parts(i, "attn_k_norm", "k_layernorm", kvHeads),
  ]);
}

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
    headNorms: checkpoint.tensors.has("blk.0.attn_q_norm.weight"),
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
    headNorms: read.qk_layernorm,
  };
}
