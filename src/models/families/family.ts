import type { RotarySpec } from "../../native.js";
import type { Checkpoint } from "../checkpoint.js";
import type { Contract } from "../contract.js";

/** Sizes of a model, as its contract has them. */
export type Sizes = Pick<
  Contract,
  "layers" | "heads" | "kvHeads" | "headDim" | "width" | "hidden" | "vocabulary" | "context"
>;

/** The next values of a buffer: rows of one tensor of the checkpoint. */
export interface PartPlan {
  tensor: string;
  /** Row-major, of the whole tensor. */
  shape: number[];
  /** Its rows [first, count], leading dimensions taken together. Default all. */
  rows?: [number, number];
  /** Heads of a query or key projection, whose rows GGUF interleaves. */
  rotaryHeads?: number;
  /** It is stored as [columns, rows], as transformers' Conv1D has it. */
  transposed?: boolean;
  /** Added to each value: 1 for norms that are stored as their distance from one. */
  plus?: number;
}

export interface BufferPlan {
  /** As the family's TorchScript names it. */
  name: string;
  shape: number[];
  parts: PartPlan[];
}

/** What a family makes of a checkpoint's settings. */
export interface Blueprint {
  sizes: Sizes;
  /** The head is the embedding. */
  tied: boolean;
  buffers: BufferPlan[];
  /** "silu", "relu", "gelu" or "gelu_tanh". */
  activation: string;
  normEps: number;
  /** Tables of rotary positions, and which of them each layer reads. Default none; each the first. */
  rotary?: RotarySpec[];
  rotaryOf?: number[];
  /** In texts of more tokens than this each layer reads the table after its own. Default: in none. */
  longAfter?: number;
  /** Keys that a query of each layer sees, its own among them; 0 for all. Default all. */
  windows?: number[];
  /** Factor of queries times keys. Default 1 / sqrt(headDim). */
  attentionScale?: number;
  /** Attention scores s become softcap · tanh(s / softcap). Default 0: they stay. */
  attentionSoftcap?: number;
  /** Added to the scores of a head by the key's position [heads, context]. Default none. */
  positionBias?: Float32Array;
  /** Widths of the runs of queries and keys that are normed, each by itself. Default none. */
  normedParts?: number[];
  /** Further attributes that the family's TorchScript reads. */
  integers?: Record<string, number>;
  floats?: Record<string, number>;
  lists?: Record<string, number[]>;
}

/** One row per model family; with its TorchScript file in native/families/, a row is all that a family needs. */
export interface Family {
  name: string;
  /** Files in native/families/, its own the last of them; layered.py comes by itself. */
  sources: readonly string[];
  /** `general.architecture` of its GGUF files, where llama.cpp knows it. */
  gguf?: string;
  /** `architectures[0]` of its Hugging Face folders. */
  folder: string;
  /** Where families share a name in a format: whether the checkpoint is of this one. */
  covers?(checkpoint: Checkpoint): boolean;
  /**
   * @throws ERR_TOKENLENSE_ARCHITECTURE where the checkpoint asks for what the family's source does not compute,
   * ERR_TOKENLENSE_FORMAT where its settings contradict one another.
   */
  blueprint(checkpoint: Checkpoint): Blueprint;
}
