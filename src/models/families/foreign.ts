import { type Checkpoint, inconsistent, type MetadataValue, refused } from "../checkpoint.js";

/**
 * Settings of config.json by which some architecture of transformers computes, and the values that ask for nothing; null always does. A family
 * reads those that are its own. Names that stand neither here nor in the family's schema do not change what is computed: what
 * training went by, what tools left behind.
 */
const NEUTRAL: Readonly<Record<string, readonly MetadataValue[]>> = {
  // What a token sees
  ...{ is_causal: [true], use_bidirectional_attention: [false], add_cross_attention: [false], prefix_lm: [false] },
  ...{ sliding_window: [0], use_sliding_window: [false], sliding_window_pattern: [], attention_chunk_size: [0] },
  ...{ layer_types: [], num_kv_shared_layers: [0], cross_attention_layers: [], keep_window_size: [] },
  // Positions
  ...{
    alibi: [false],
    rope_scaling: [],
    no_rope_layers: [],
    rope_interleave: [false],
    position_embedding_type: ["rope", "absolute"],
  },
  ...{ rope_parameters: [], partial_rotary_factor: [1], rotary_pct: [1], use_mem_rope: [false] },
  // Factors and bounds
  ...{ logit_scale: [1], logits_scaling: [1], embedding_multiplier: [1], residual_multiplier: [1], scale_emb: [1] },
  ...{
    attention_multiplier: [],
    query_pre_attn_scalar: [],
    scale_depth: [],
    residual_scale: [1],
    embedding_scale: [1],
  },
  ...{ lm_head_multiplier: [1], key_multiplier: [1], attention_in_multiplier: [1], attention_out_multiplier: [1] },
  ...{ attn_logit_softcapping: [], final_logit_softcapping: [], logits_soft_cap: [], attention_logit_cap: [] },
  ...{ output_logit_soft_cap: [], clip_qkv: [], swiglu_limit: [], attn_temperature_tuning: [false, 0] },
  ...{ scale_attn_by_inverse_layer_idx: [false], scale_attn_weights: [true], scale_embedding: [false] },
  // Parts
  ...{
    attention_bias: [false],
    mlp_bias: [false],
    use_bias: [false],
    qkv_bias: [false],
    use_qkv_bias: [false],
    bias: [false],
  },
  ...{
    lm_head_bias: [false],
    attention_out_bias: [false],
    qk_layernorm: [false],
    use_qk_norm: [false],
    qk_norm: [false],
  },
  ...{ use_parallel_residual: [false], parallel_attn: [false], use_post_norm: [false], attn_output_gate: [false] },
  ...{ use_attention_gate: [false], kv_lora_rank: [], q_lora_rank: [], hidden_size_per_layer_input: [0] },
  // Mixtures of experts
  ...{
    num_experts: [0],
    num_local_experts: [0],
    n_routed_experts: [0],
    n_shared_experts: [0],
    num_shared_experts: [0],
  },
  ...{ shared_expert_intermediate_size: [0], routed_scaling_factor: [1], moe_router_logit_softcapping: [0] },
};

const neutral = (key: string, value: MetadataValue): boolean => {
  if (key === "layer_types") return Array.isArray(value) && value.every((type) => type === "full_attention");
  // Files of models without rotary positions may have the default written out.
  if (key === "rope_parameters" || key === "rope_scaling") {
    const { rope_type, type } = value as { rope_type?: string; type?: string };
    return (rope_type ?? type ?? "default") === "default";
  }
  return NEUTRAL[key]?.includes(value) ?? true;
};

/**
 * @param known names that the family reads.
 * @throws ERR_TOKENLENSE_ARCHITECTURE naming a setting that asks for what the family does not compute.
 */
export function refuseForeign({ path, settings }: Checkpoint, known: readonly string[]): void {
  for (const [key, value] of settings) {
    if (known.includes(key) || value === null || !Object.hasOwn(NEUTRAL, key)) continue;
    if (!neutral(key, value)) throw refused(path, key, value);
  }
}

/**
 * Layers that see a window of the text, by `layer_types`.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for another type, ERR_TOKENLENSE_FORMAT for types of more or fewer layers.
 */
export function slidingLayers(path: string, types: readonly string[], layers: number): boolean[] {
  const strange = types.find((type) => type !== "full_attention" && type !== "sliding_attention");
  if (strange !== undefined) throw refused(path, "layer_types", types);
  if (types.length !== layers)
    throw inconsistent(path, `has layer_types of ${types.length} layers, and ${layers} layers`);
  return types.map((type) => type === "sliding_attention");
}
