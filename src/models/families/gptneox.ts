import { z } from "zod";
import type { Checkpoint } from "../checkpoint.js";
import type { Blueprint, Family } from "./family.js";
import { GGUF_PARALLEL, type ParallelNames, parallelBuffers } from "./parallel.js";
import { folderRotary, rotaryBlueprint, rotaryOfFolder, rotaryOfGguf } from "./rotary.js";
import { activationOf, count, folderSizes, ggufRotary, layerCount, readGguf, readSettings, real } from "./settings.js";

/** GPT-NeoX (Black et al. 2022, arXiv:2204.06745), Pythia, Dolly: rotary positions in a part of each head, attention and MLP side by side. */
export const gptneox: Family = {
  name: "gptneox",
  sources: ["layer_norm.py", "plain_mlp.py", "gptneox.py"],
  gguf: "gptneox",
  folder: "GPTNeoXForCausalLM",
  blueprint(checkpoint) {
    const { attentionBiases, ...settings } =
      checkpoint.format === "gguf" ? fromGguf(checkpoint) : fromFolder(checkpoint);
    const names = checkpoint.format === "gguf" ? GGUF_PARALLEL : FOLDER;
    return {
      ...settings,
      buffers: parallelBuffers(checkpoint, settings, { ...names, attentionBiases, mlpBiases: true, grouped: true }),
    };
  },
};

const FOLDER: ParallelNames = {
  embedding: "gpt_neox.embed_in",
  finalNorm: "gpt_neox.final_layer_norm",
  head: "embed_out",
  layer: (i) => `gpt_neox.layers.${i}.`,
  attentionNorm: "input_layernorm",
  mlpNorm: "post_attention_layernorm",
  qkv: "attention.query_key_value",
  attentionOut: "attention.dense",
  up: "mlp.dense_h_to_4h",
  down: "mlp.dense_4h_to_h",
};

type Settings = Omit<Blueprint, "buffers"> & { attentionBiases: boolean };

const ggufSettings = ggufRotary.extend({
  "attention.layer_norm_epsilon": real,
  use_parallel_residual: z.boolean().default(true),
});

function fromGguf(checkpoint: Checkpoint): Settings {
  const { read, sizes } = readGguf(checkpoint, ggufSettings);
  const rotary = rotaryOfGguf(checkpoint, read, sizes);
  return {
    sizes,
    tied: !checkpoint.tensors.has("output.weight"),
    ...rotaryBlueprint(rotary),
    normEps: read["attention.layer_norm_epsilon"],
    // The format has no setting for it. It is what these models were trained with; llama.cpp takes the tanh form.
    activation: "gelu",
    integers: { parallel: read.use_parallel_residual ? 1 : 0 },
    attentionBiases: true,
  };
}

// Defaults are those of transformers' GPTNeoXConfig.
const folderSettings = folderRotary.extend({
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  hidden_size: count,
  intermediate_size: count,
  vocab_size: count,
  max_position_embeddings: count.default(2048),
  layer_norm_eps: real.default(1e-5),
  hidden_act: z.string().default("gelu"),
  rotary_pct: real.nullish(),
  rotary_emb_base: real.nullish(),
  attention_bias: z.boolean().default(true),
  use_parallel_residual: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(false),
});

function fromFolder(checkpoint: Checkpoint): Settings {
  const { path, tensors } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  const sizes = folderSizes(read);
  const rotary = rotaryOfFolder(path, read, sizes, {
    share: read.rotary_pct ?? 0.25,
    ...(read.rotary_emb_base ? { theta: read.rotary_emb_base } : {}),
  });
  return {
    sizes,
    tied: read.tie_word_embeddings && !tensors.has(`${FOLDER.head}.weight`),
    ...rotaryBlueprint(rotary),
    normEps: read.layer_norm_eps,
    activation: activationOf(path, read.hidden_act),
    integers: { parallel: read.use_parallel_residual ? 1 : 0 },
    attentionBiases: read.attention_bias,
  };
}
