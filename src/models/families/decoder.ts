import type { Checkpoint } from "../checkpoint.js";
import { Buffers } from "./buffers.js";
import type { PartPlan, Sizes } from "./family.js";

/** Names of a decoder's tensors, by what they are, in each format: Llama's, which most later families kept. */
const NAMES = {
  gguf: {
    embedding: "token_embd",
    finalNorm: "output_norm",
    head: "output",
    layer: (i: number) => `blk.${i}.`,
    attentionNorm: "attn_norm",
    query: "attn_q",
    key: "attn_k",
    value: "attn_v",
    qkv: "attn_qkv",
    queryNorm: "attn_q_norm",
    keyNorm: "attn_k_norm",
    attentionOut: "attn_output",
    attentionPostNorm: "post_attention_norm",
    mlpNorm: "ffn_norm",
    gate: "ffn_gate",
    up: "ffn_up",
    gateUp: "ffn_up",
    down: "ffn_down",
    mlpPostNorm: "post_ffw_norm",
  },
  folder: {
    embedding: "model.embed_tokens",
    finalNorm: "model.norm",
    head: "lm_head",
    layer: (i: number) => `model.layers.${i}.`,
    attentionNorm: "input_layernorm",
    query: "self_attn.q_proj",
    key: "self_attn.k_proj",
    value: "self_attn.v_proj",
    qkv: "self_attn.qkv_proj",
    queryNorm: "self_attn.q_norm",
    keyNorm: "self_attn.k_norm",
    attentionOut: "self_attn.o_proj",
    attentionPostNorm: "post_attention_layernorm",
    mlpNorm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    gateUp: "mlp.gate_up_proj",
    down: "mlp.down_proj",
    mlpPostNorm: "post_feedforward_layernorm",
  },
};
type Name = Exclude<keyof (typeof NAMES)["gguf"], "layer">;

/** The head is the embedding: a GGUF file says so by leaving it out. Some folders were saved with it written out, the same weights. */
export function isTied({ format, tensors }: Checkpoint, told: boolean): boolean {
  return !tensors.has(`${NAMES[format].head}.weight`) && (format === "gguf" || told);
}

/** The buffers of a decoder with Llama's names. */
export class DecoderBuffers extends Buffers {
  private readonly names: (typeof NAMES)["gguf"];

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly sizes: Sizes,
    renamed: Partial<Record<Name, string>> = {},
  ) {
    super(sizes.layers);
    this.names = { ...NAMES[checkpoint.format], ...renamed };
  }

  /** Name of a tensor of a layer. */
  at(layer: number, name: Name, kind = "weight"): string {
    return `${this.names.layer(layer)}${this.names[name]}.${kind}`;
  }

  /** Embedding, final norm, and a head where it is not the embedding. */
  ends(tied: boolean, norm: Partial<PartPlan> = {}): this {
    const { vocabulary, width } = this.sizes;
    this.one("embedding", `${this.names.embedding}.weight`, [vocabulary, width]);
    this.one("final_norm", `${this.names.finalNorm}.weight`, [width], norm);
    if (!tied) this.one("head", `${this.names.head}.weight`, [vocabulary, width]);
    return this;
  }

  finalNormBias(): this {
    return this.one("final_norm_bias", `${this.names.finalNorm}.bias`, [this.sizes.width]);
  }

  /** A vector of each layer: a norm's weight or bias, or another's bias. */
  vector(buffer: string, name: Name, options: Partial<PartPlan> & { kind?: string; size?: number } = {}): this {
    const { kind, size = this.sizes.width, ...part } = options;
    return this.each(buffer, [size], (i) => ({ tensor: this.at(i, name, kind), shape: [size], ...part }));
  }

  /** Queries, keys and values from three tensors; GGUF interleaves the rows of Llama's own architecture. */
  qkv(interleaved = false): this {
    return this.threeOf("qkv", "weight", [this.sizes.width], interleaved);
  }

  qkvBias(interleaved = false): this {
    return this.threeOf("qkv_bias", "bias", [], interleaved);
  }

  private threeOf(buffer: string, kind: string, columns: number[], interleaved: boolean): this {
    const { heads, kvHeads, headDim } = this.sizes;
    const turned = interleaved && this.checkpoint.format === "gguf";
    const part = (i: number, name: Name, count: number): PartPlan => ({
      tensor: this.at(i, name, kind),
      shape: [count * headDim, ...columns],
      ...(turned && name !== "value" ? { rotaryHeads: count } : {}),
    });
    return this.each(buffer, [(heads + 2 * kvHeads) * headDim, ...columns], (i) => [
      part(i, "query", heads),
      part(i, "key", kvHeads),
      part(i, "value", kvHeads),
    ]);
  }

  /** Norms of queries and keys, of each head by itself: one weight serves all heads. */
  headNorms(options: Partial<PartPlan> = {}): this {
    const { heads, kvHeads, headDim } = this.sizes;
    const part = (i: number, name: Name) => ({ tensor: this.at(i, name), shape: [headDim], ...options });
    return this.each("qk_norm", [(heads + kvHeads) * headDim], (i) => [
      ...Array.from({ length: heads }, () => part(i, "queryNorm")),
      ...Array.from({ length: kvHeads }, () => part(i, "keyNorm")),
    ]);
  }

  attentionOut(): this {
    const { heads, headDim, width } = this.sizes;
    const shape = [width, heads * headDim];
    return this.each("attention_out", shape, (i) => ({ tensor: this.at(i, "attentionOut"), shape }));
  }

  /** A gated MLP from three tensors; in some layers only, where others have something else. */
  gatedMlp(layers?: readonly number[]): this {
    const { width, hidden } = this.sizes;
    const parts = (i: number): PartPlan[] => [
      { tensor: this.at(i, "gate"), shape: [hidden, width] },
      { tensor: this.at(i, "up"), shape: [hidden, width] },
    ];
    return this.each("gate_up", [2 * hidden, width], parts, layers).mlpDown(layers);
  }

  mlpDown(layers?: readonly number[]): this {
    const shape = [this.sizes.width, this.sizes.hidden];
    return this.each("down", shape, (i) => ({ tensor: this.at(i, "down"), shape }), layers);
  }
}

/** Widths of the heads that {@link DecoderBuffers.headNorms} norms. */
export function headParts({ heads, kvHeads, headDim }: Sizes): number[] {
  return new Array<number>(heads + kvHeads).fill(headDim);
}
