import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { packageRoot } from "../install/paths.js";
import type { WeightPart, WeightSpec } from "../native.js";
import { type Checkpoint, inconsistent, type StoredTensor, unsupported } from "./checkpoint.js";
import type { Contract } from "./contract.js";
import { gpt2 } from "./gpt2.js";
import { llama } from "./llama.js";

/** Sizes of a model, as its contract has them. */
export type Sizes = Pick<
  Contract,
  "layers" | "heads" | "kvHeads" | "headDim" | "width" | "hidden" | "vocabulary" | "context"
>;

/** The next values of a buffer: one tensor, by its name in either kind of checkpoint. */
export interface PartPlan {
  gguf: string;
  folder: string;
  /** Row-major; [columns] or [rows, columns]. */
  shape: [number] | [number, number];
  /** Heads of a query or key projection, whose rows GGUF interleaves. */
  rotaryHeads?: number;
  /** A folder has it as [columns, rows], for transformers' Conv1D. */
  transposedInFolder?: boolean;
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
  /** Number attributes of the module. */
  integers: Record<string, number>;
  floats: Record<string, number>;
  buffers: BufferPlan[];
}

/** One row per model family; with its TorchScript file in native/families/, a row is all that a family needs. */
export interface Family {
  name: string;
  contract: Contract["contract"];
  /** File in native/families/. */
  source: string;
  /** `general.architecture` of its GGUF files. */
  gguf: string;
  /** `architectures[0]` of its Hugging Face folders. */
  folder: string;
  /**
   * @throws ERR_TOKENLENSE_ARCHITECTURE where the checkpoint asks for what the family's source does not compute,
   * ERR_TOKENLENSE_FORMAT where its settings contradict one another.
   */
  blueprint(checkpoint: Checkpoint): Blueprint;
}

export const FAMILIES: readonly Family[] = [llama, gpt2];

/** @throws ERR_TOKENLENSE_ARCHITECTURE where no family covers the checkpoint. */
export function familyOf(checkpoint: Checkpoint): Family {
  const { format, settings, path } = checkpoint;
  const listed = settings.get("architectures");
  const name = format === "gguf" ? settings.get("general.architecture") : Array.isArray(listed) ? listed[0] : undefined;
  const family = FAMILIES.find((candidate) => candidate[format] === name);
  if (family) return family;
  throw new TokenlenseError(
    "ERR_TOKENLENSE_ARCHITECTURE",
    typeof name === "string"
      ? `${path} is of architecture "${name}", which no family covers.`
      : `${path} does not name its architecture.`,
    { hint: `Covered: ${FAMILIES.map((candidate) => candidate[format]).join(", ")}.` },
  );
}

/** TorchScript source of a family, and the methods that it defines. */
export function familySource(family: Family): { source: string; methods: string[] } {
  const source = readFileSync(join(packageRoot(), "native", "families", family.source), "utf8");
  return { source, methods: [...source.matchAll(/^def (\w+)\(self\b/gm)].map((match) => match[1] as string) };
}

/**
 * Where each buffer's values lie in the checkpoint's files.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for a tensor that the family does not use, ERR_TOKENLENSE_FORMAT for one that is
 * missing or of another shape.
 */
export function locateWeights(checkpoint: Checkpoint, { buffers }: Blueprint): WeightSpec[] {
  const { format, path, tensors } = checkpoint;
  const used = new Set(buffers.flatMap(({ parts }) => parts.map((part) => part[format])));
  const unused = [...tensors.keys()].find((name) => !used.has(name));
  if (unused !== undefined) throw unusedTensor(path, unused);
  return buffers.map(({ name, shape, parts }) => ({
    name,
    shape,
    parts: parts.map((part) => {
      const tensor = tensors.get(part[format]);
      if (!tensor) throw inconsistent(path, `has no tensor ${part[format]}`);
      return weightPart(tensor, part, checkpoint);
    }),
  }));
}

function weightPart(tensor: StoredTensor, part: PartPlan, { format, path }: Checkpoint): WeightPart {
  const transposed = format === "folder" && part.transposedInFolder === true;
  const expected = transposed ? part.shape.toReversed() : part.shape;
  if (tensor.shape.join() !== expected.join()) {
    throw inconsistent(
      path,
      `has tensor ${tensor.name} in shape [${tensor.shape.join(", ")}], not [${expected.join(", ")}]`,
    );
  }
  return {
    file: tensor.file,
    offset: tensor.offset,
    encoding: tensor.encoding,
    rows: part.shape.length === 2 ? part.shape[0] : 1,
    columns: part.shape.at(-1) as number,
    ...(format === "gguf" && part.rotaryHeads !== undefined ? { unpermuteHeads: part.rotaryHeads } : {}),
    ...(transposed ? { transposed } : {}),
  };
}

function unusedTensor(path: string, name: string): TokenlenseError {
  const what = /\.bias$/.test(name)
    ? "biases"
    : /exp(s|ert)|ffn_gate_inp|block_sparse_moe/.test(name)
      ? "mixture-of-experts layers"
      : /rope_freqs/.test(name)
        ? "scaled rotary frequencies (as Llama 3.1 and later have)"
        : "weights that the family does not use";
  return unsupported(path, `has ${what}: tensor ${name}`);
}
