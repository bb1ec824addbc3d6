import type { Checkpoint } from "../checkpoint.js";
import { Buffers, ungroupedHeads } from "./buffers.js";
import type { Blueprint, BufferPlan, PartPlan } from "./family.js";

/** What families with a layer norm and a plain MLP differ in (GPT-NeoX, Falcon, BLOOM). */
export interface ParallelTraits {
  /** Names of tensors without their kind. */
  embedding: string;
  finalNorm: string;
  head: string;
  layer(i: number): string;
  attentionNorm: string;
  mlpNorm: string;
  qkv: string;
  attentionOut: string;
  up: string;
  down: string;
  /** Attention's projections have biases; the MLP's do. */
  attentionBiases: boolean;
  mlpBiases: boolean;
  /** Each group of heads is followed by its key and value; else all queries come first. */
  grouped: boolean;
}

/** Traits that are names in a format. */
export type ParallelNames = Omit<ParallelTraits, "attentionBiases" | "mlpBiases" | "grouped">;

/** The buffers that layer_norm.py and plain_mlp.py read. */
export function parallelBuffers(
  { format }: Checkpoint,
  { sizes, tied }: Pick<Blueprint, "sizes" | "tied">,
  traits: ParallelTraits,
): BufferPlan[] {
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary } = sizes;
  const tensor = (i: number, name: string, kind: string) => `${traits.layer(i)}${name}.${kind}`;
  const plan = new Buffers(layers).one("embedding", `${traits.embedding}.weight`, [vocabulary, width]).none("qk_norm");
  for (const [kind, suffix] of [
    ["weight", ""],
    ["bias", "_bias"],
  ] as const) {
    plan
      .each(`attention_norm${suffix}`, [width], (i) => ({
        tensor: tensor(i, traits.attentionNorm, kind),
        shape: [width],
      }))
      .each(`mlp_norm${suffix}`, [width], (i) => ({ tensor: tensor(i, traits.mlpNorm, kind), shape: [width] }))
      .one(`final_norm${suffix}`, `${traits.finalNorm}.${kind}`, [width]);
  }
  const projection = (
    buffer: string,
    biased: boolean,
    name: string,
    [rows, columns]: [number, number],
    cut = (part: PartPlan) => [part],
  ) => {
    plan.each(buffer, [rows, columns], (i) => cut({ tensor: tensor(i, name, "weight"), shape: [rows, columns] }));
    if (biased) plan.each(`${buffer}_bias`, [rows], (i) => cut({ tensor: tensor(i, name, "bias"), shape: [rows] }));
    else plan.none(`${buffer}_bias`);
  };
  const { attentionBiases, mlpBiases } = traits;
  projection("qkv", attentionBiases, traits.qkv, [(heads + 2 * kvHeads) * headDim, width], (part) =>
    traits.grouped && format === "folder" ? ungroupedHeads(kvHeads, heads / kvHeads, headDim, part) : [part],
  );
  projection("attention_out", attentionBiases, traits.attentionOut, [width, heads * headDim]);
  projection("up", mlpBiases, traits.up, [hidden, width]);
  projection("down", mlpBiases, traits.down, [width, hidden]);
  if (!tied) plan.one("head", `${traits.head}.weight`, [vocabulary, width]);
  return plan.list;
}

/** llama.cpp's names. */
export const GGUF_PARALLEL: ParallelNames = {
  embedding: "token_embd",
  finalNorm: "output_norm",
  head: "output",
  layer: (i) => `blk.${i}.`,
  attentionNorm: "attn_norm",
  mlpNorm: "ffn_norm",
  qkv: "attn_qkv",
  attentionOut: "attn_output",
  up: "ffn_up",
  down: "ffn_down",
};
