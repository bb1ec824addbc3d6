import { closeSync, openSync, readSync } from "node:fs";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import type { WeightPart } from "../native.js";

/** How a tensor's values are written, by GGUF's names. */
export type Encoding = WeightPart["encoding"];

/** Values per block of an encoding, and the bytes of a block. */
export const ENCODINGS: Record<Encoding, { block: number; bytes: number }> = {
  F32: { block: 1, bytes: 4 },
  F16: { block: 1, bytes: 2 },
  BF16: { block: 1, bytes: 2 },
  Q8_0: { block: 32, bytes: 34 },
  Q4_0: { block: 32, bytes: 18 },
  Q4_1: { block: 32, bytes: 20 },
  Q5_0: { block: 32, bytes: 22 },
  Q5_1: { block: 32, bytes: 24 },
  IQ4_NL: { block: 32, bytes: 18 },
  Q2_K: { block: 256, bytes: 84 },
  Q3_K: { block: 256, bytes: 110 },
  Q4_K: { block: 256, bytes: 144 },
  Q5_K: { block: 256, bytes: 176 },
  Q6_K: { block: 256, bytes: 210 },
};

/** A tensor as it lies in a file. */
export interface StoredTensor {
  name: string;
  file: string;
  /** Bytes from the start of the file. */
  offset: number;
  encoding: Encoding;
  /** Row-major, as PyTorch says it. */
  shape: number[];
}

export type MetadataValue = string | number | boolean | MetadataValue[];

/** Weights and settings as they were found, before a family makes sense of them. */
export interface Checkpoint {
  format: "gguf" | "folder";
  /** The file or folder, for messages. */
  path: string;
  tensors: Map<string, StoredTensor>;
  /** GGUF metadata, or the folder's config.json. */
  settings: Map<string, MetadataValue>;
}

/**
 * Values of a small tensor that settings are kept in.
 * @throws ERR_TOKENLENSE_FORMAT where it is not float32, or too large to be one.
 */
export function readFloats({ name, file, offset, encoding, shape }: StoredTensor): Float64Array {
  const values = shape.reduce((product, n) => product * n, 1);
  if (encoding !== "F32" || values > 65_536)
    throw inconsistent(file, `has tensor ${name} as ${values} values in ${encoding}`);
  const bytes = Buffer.alloc(4 * values);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(descriptor);
  }
  return Float64Array.from({ length: values }, (_, i) => bytes.readFloatLE(4 * i));
}

/** ERR_TOKENLENSE_ARCHITECTURE for a part of the architecture that the family's source does not compute. */
export function unsupported(path: string, what: string): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_ARCHITECTURE", `${path} ${what}.`, {
    hint: "The results would be wrong, so this version refuses it. Take another model of the family, or make an archive of its Hugging Face folder by `tokenlense export`, with transformers.",
  });
}

/** The same for a setting of config.json. */
export function refused(path: string, name: string, value: unknown): TokenlenseError {
  return unsupported(path, `asks for what this version does not compute: ${name} = ${JSON.stringify(value)}`);
}

/** What a schema found wrong, in one line. */
export const problems = (error: z.ZodError): string => z.prettifyError(error).replace(/\s*\n\s*/g, " ");

/** ERR_TOKENLENSE_FORMAT for a checkpoint that contradicts itself. */
export function inconsistent(path: string, what: string): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path} ${what}.`, {
    hint: "The file is damaged, or was not converted correctly: download or convert it again.",
  });
}
