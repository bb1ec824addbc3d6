import { z } from "zod";

// TokenLense's native storage schema, versions 1.0.0 to 1.1.0, as zod. What this package adds lies under keys that
// TokenLense's own reader passes over: `text`, `start` and `end` of a token, `step_scores`, and `tokenlense_native`.

const token = z.object({
  token: z.string(),
  token_id: z.int(),
  /** The token without its marks and spaces. */
  clean_token: z.string(),
  text: z.string().optional(),
  start: z.int().nonnegative().optional(),
  end: z.int().nonnegative().optional(),
});

/** Rows are looked at as a whole: as arrays of z.number() they would take most of the time that reading a result does. */
const numbers = (row: unknown) => Array.isArray(row) && row.every(Number.isFinite);
const rows = z.array(z.custom<number[]>(numbers, "expected numbers"));

/** Python writes no zone; it means UTC. */
export function timeOf(timestamp: string): Date {
  return new Date(/(Z|[+-]\d\d:?\d\d)$/.test(timestamp) ? timestamp : `${timestamp}Z`);
}

const metadata = z.object({
  /** ISO 8601; see {@link timeOf}. */
  timestamp: z.string().refine((text) => !Number.isNaN(timeOf(text).getTime()), "expected an ISO 8601 date"),
  llm_id: z.string(),
  llm_version: z.string(),
  prompt: z.string(),
  attribution_method: z.string().nullish(),
  generation_params: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  version: z.enum(["1.0.0", "1.0.1", "1.1.0"]).default("1.1.0"),
});

const data = z.object({
  /** None where the whole prompt became part of the first output's word. */
  input_tokens: z.array(token),
  output_tokens: z.array(token).min(1),
  /** [outputs, inputs + outputs]; rows may be shorter, what they lack is zero. */
  association_matrix: rows,
  normalized_association: rows.nullish(),
  attribution_source: z.enum(["source", "target", "combined", "unknown"]).default("unknown"),
  raw_dimensions: z.array(z.int()).nullish(),
  step_scores: z.record(z.string(), z.array(z.number())).optional(),
});

/**
 * A safetensors file beside the document. Its tensor `scores` is float32, row-major, [inputs + outputs, outputs] and a size
 * for each of `dimensions`.
 */
export const sideFile = z.object({
  /** In the document's folder: never a path. */
  file: z.string().regex(/^[\w-][\w.-]*\.safetensors$/, "expected the name of a safetensors file"),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256"),
  dimensions: z.array(z.string()),
});

export type SideFile = z.output<typeof sideFile>;

export const stats = z.object({
  engine: z.enum(["ragged", "batched", "plain", "forward"]),
  flops: z.number(),
  seconds: z.number(),
  plannedBytes: z.number(),
  block: z.number(),
});

const additions = z.object({
  step: z.string().optional(),
  convergence_deltas: z.array(z.number()).optional(),
  path_steps: z.array(z.int()).optional(),
  input: z.string(),
  target: z.string(),
  stats: stats.optional(),
  timings: z.record(z.string(), z.number()),
  versions: z.record(z.string(), z.string()),
  /**
   * Where the scores lie of a result with more of them than JSON should hold, whose `association_matrix` is then empty, or
   * with more dimensions than that, whose `association_matrix` has them aggregated.
   */
  scores: sideFile.optional(),
});

export const nativeDocument = z
  .object({ metadata, data, tokenlense_native: additions.optional() })
  .superRefine(({ data, tokenlense_native: ours }, context) => {
    const outputs = data.output_tokens.length;
    const sequence = data.input_tokens.length + outputs;
    const fault = (path: PropertyKey[], message: string) => context.addIssue({ code: "custom", path, message });
    if (data.association_matrix.length > outputs)
      fault(["data", "association_matrix"], `expected ${outputs} rows, one for each output token`);
    const long = data.association_matrix.findIndex((row) => row.length > sequence);
    if (long >= 0) fault(["data", "association_matrix", long], `expected ${sequence} columns at most`);
    for (const [name, scores] of Object.entries(data.step_scores ?? {}))
      if (scores.length !== outputs) fault(["data", "step_scores", name], `expected ${outputs} values`);
    for (const name of ["convergence_deltas", "path_steps"] as const)
      if (ours?.[name] && ours[name].length !== outputs)
        fault(["tokenlense_native", name], `expected ${outputs} values`);
  });

/** What `toJSON()` gives and a results file holds. */
export type NativeDocument = z.output<typeof nativeDocument>;
