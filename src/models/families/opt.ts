import { z } from "zod";
import { type Checkpoint, refused } from "../checkpoint.js";
import { Buffers } from "./buffers.js";
import { isTied } from "./decoder.js";
import type { Blueprint, Family } from "./family.js";
import { pair } from "./gpt2.js";
import { activationOf, count, layerCount, readSettings } from "./settings.js";

/** OPT (Zhang et al. 2022, arXiv:2205.01068); 350m has its norms after each part, and narrower embeddings. */
export const opt: Family = {
  name: "opt",
  sources: ["opt.py"],
  folder: "OPTForCausalLM",
  blueprint(checkpoint) {
    const { traits, ...settings } = fromFolder(checkpoint);
    return {
      ...settings,
      integers: { norm_first: traits.normFirst ? 1 : 0 },
      buffers: buffers(checkpoint, settings, traits),
    };
  },
};

interface Traits {
  /** Layer norms before each part, else after it. */
  normFirst: boolean;
  finalNorm: boolean;
  /** Of the projections. */
  biases: boolean;
  embeddingWidth: number;
}

/** OPT's table of positions begins with two rows that are not used. */
const UNUSED_POSITIONS = 2;

function buffers({ tensors }: Checkpoint, { sizes, tied }: Pick<Blueprint, "sizes" | "tied">, traits: Traits) {
  const { width, hidden, vocabulary, context } = sizes;
  const { biases, embeddingWidth: narrow } = traits;
  const prefix = tensors.has("decoder.embed_tokens.weight") ? "decoder." : "model.decoder.";
  const layer = (name: string) => (i: number) => `${prefix}layers.${i}.${name}`;
  const plan = new Buffers(sizes.layers)
    .one("embedding", `${prefix}embed_tokens.weight`, [vocabulary, narrow])
    .one("positions", `${prefix}embed_positions.weight`, [context + UNUSED_POSITIONS, width], {
      rows: [UNUSED_POSITIONS, context],
    });
  const projection = (buffer: string, names: string[], rows: number, columns: number) => {
    const all = names.length * rows;
    const parts = (kind: string, shape: number[]) => (i: number) =>
      names.map((name) => ({ tensor: `${layer(name)(i)}.${kind}`, shape }));
    plan.each(buffer, [all, columns], parts("weight", [rows, columns]));
    if (biases) plan.each(`${buffer}_bias`, [all], parts("bias", [rows]));
    else plan.none(`${buffer}_bias`);
  };
  projection("qkv", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], width, width);
  projection("attention_out", ["self_attn.out_proj"], width, width);
  projection("up", ["fc1"], hidden, width);
  projection("down", ["fc2"], width, hidden);
  pair(plan, "attention_norm", layer("self_attn_layer_norm"), width);
  pair(plan, "mlp_norm", layer("final_layer_norm"), width);
  if (narrow === width) plan.none("project_in", "final_project");
  else
    plan
      .one("project_in", `${prefix}project_in.weight`, [width, narrow])
      .one("final_project", `${prefix}project_out.weight`, [narrow, width]);
  if (traits.finalNorm)
    plan
      .one("final_norm", `${prefix}final_layer_norm.weight`, [width])
      .one("final_norm_bias", `${prefix}final_layer_norm.bias`, [width]);
  else plan.none("final_norm", "final_norm_bias");
  if (!tied) plan.one("head", "lm_head.weight", [vocabulary, narrow]);
  return plan.list;
}

// Defaults are those of transformers' OPTConfig.
const folderSettings = z.object({
  num_hidden_layers: layerCount.default(12),
  num_attention_heads: count.default(12),
  hidden_size: count.default(768),
  ffn_dim: count.default(3072),
  word_embed_proj_dim: count.nullish(),
  vocab_size: count.default(50_272),
  max_position_embeddings: count.default(2048),
  activation_function: z.string().default("relu"),
  do_layer_norm_before: z.boolean().default(true),
  _remove_final_layer_norm: z.boolean().default(false),
  enable_bias: z.boolean().default(true),
  layer_norm_elementwise_affine: z.boolean().default(true),
  tie_word_embeddings: z.boolean().default(true),
});

function fromFolder(checkpoint: Checkpoint): Omit<Blueprint, "buffers"> & { traits: Traits } {
  const { path } = checkpoint;
  const read = readSettings(checkpoint, folderSettings);
  if (!read.layer_norm_elementwise_affine) throw refused(path, "layer_norm_elementwise_affine", false); // Galactica
  return {
    sizes: {
      layers: read.num_hidden_layers,
      heads: read.num_attention_heads,
      kvHeads: read.num_attention_heads,
      headDim: read.hidden_size / read.num_attention_heads,
      width: read.hidden_size,
      hidden: read.ffn_dim,
      vocabulary: read.vocab_size,
      context: read.max_position_embeddings,
    },
    tied: isTied(checkpoint, read.tie_word_embeddings),
    normEps: 1e-5,
    activation: activationOf(path, read.activation_function, "activation_function"),
    traits: {
      normFirst: read.do_layer_norm_before,
      finalNorm: read.do_layer_norm_before && !read._remove_final_layer_norm,
      biases: read.enable_bias,
      embeddingWidth: read.word_embed_proj_dim ?? read.hidden_size,
    },
  };
}
