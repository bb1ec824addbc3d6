import { z } from "zod";
import { type Checkpoint, inconsistent, type MetadataValue, unsupported } from "./checkpoint.js";
import type { Sizes } from "./families.js";

export const count = z.int().positive();
export const real = z.number().positive();

/**
 * Settings of a checkpoint, as a family's schema has them.
 * @throws ERR_TOKENLENSE_FORMAT where they do not hold.
 */
export function readSettings<T extends z.ZodType>({ path, settings }: Checkpoint, schema: T): z.infer<T> {
  const parsed = schema.safeParse(Object.fromEntries(settings));
  if (parsed.success) return parsed.data;
  throw inconsistent(path, `has settings that do not hold: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " ")}`);
}

/** Keys that may stand in a GGUF file if they ask for nothing: the values that do, and what they would ask for. */
export type NeutralSettings = Record<string, { neutral: MetadataValue[]; asks: string }>;

/**
 * The same of a GGUF file, where every setting of the architecture must be known.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for one that asks for what the family does not compute, as {@link readSettings}.
 */
export function readGgufSettings<T extends z.ZodObject>(
  checkpoint: Checkpoint,
  architecture: string,
  schema: T,
  neutral: NeutralSettings,
): z.infer<T> {
  const { path, settings } = checkpoint;
  for (const [key, value] of settings) {
    if (!key.startsWith(`${architecture}.`) || key in schema.shape) continue;
    const known = neutral[key];
    if (!known) throw unsupported(path, `has the setting ${key}, which this version does not know`);
    if (!known.neutral.includes(value)) throw unsupported(path, `asks for ${known.asks} (${key} = ${String(value)})`);
  }
  return readSettings(checkpoint, schema);
}

/** Tables of positions are as long as the context; above this a number is a damaged one. */
const LONGEST_CONTEXT = 2 ** 20;

/** @throws ERR_TOKENLENSE_FORMAT for sizes that no model has. */
export function checkSizes(path: string, { layers, vocabulary, context }: Sizes): void {
  if (layers > 10_000) throw inconsistent(path, `has ${layers} layers`);
  if (vocabulary < 1) throw inconsistent(path, "has no token embedding");
  if (context > LONGEST_CONTEXT) throw inconsistent(path, `has a context of ${context} tokens`);
}

/** Number attributes that every family's TorchScript reads. */
export function sizeIntegers(sizes: Sizes, tied: boolean): Record<string, number> {
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, context } = sizes;
  return {
    ...{ layers, heads, kv_heads: kvHeads, head_dim: headDim },
    ...{ width, hidden, vocabulary, context, tied: tied ? 1 : 0 },
  };
}
