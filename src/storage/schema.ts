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

const rows = z.array(z.array(z.number()));

const metadata = z.object({
  /** ISO 8601. Python writes no zone; it means UTC. */
  timestamp: z.string().refine((text) => !Number.isNaN(Date.parse(text)), "expected an ISO 8601 date"),
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
});

export const nativeDocument = z
  .object({ metadata, data, tokenlense_native: additions.optional() })
  .superRefine(({ data }, context) => {
    const outputs = data.output_tokens.length;
    const sequence = data.input_tokens.length + outputs;
    const fault = (path: PropertyKey[], message: string) => context.addIssue({ code: "custom", path, message });
    if (data.association_matrix.length > outputs)
      fault(["data", "association_matrix"], `expected ${outputs} rows, one for each output token`);
    const long = data.association_matrix.findIndex((row) => row.length > sequence);
    if (long >= 0) fault(["data", "association_matrix", long], `expected ${sequence} columns at most`);
    for (const [name, scores] of Object.entries(data.step_scores ?? {}))
      if (scores.length !== outputs) fault(["data", "step_scores", name], `expected ${outputs} values`);
  });

/** What `toJSON()` gives and a results file holds. */
export type NativeDocument = z.output<typeof nativeDocument>;
