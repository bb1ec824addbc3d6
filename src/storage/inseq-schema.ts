import { z } from "zod";
import { stats } from "./schema.js";

// What `inseq.FeatureAttributionOutput.save` writes, as zod. Inseq marks objects with the Python class that `load` makes of
// them (`__instance_type__`), unless it saved with `use_primitives`; here the name only tells apart what scores there are.

const record = z.record(z.string(), z.unknown());

/** An object of a Python class, in either form. `kind` is the class's name, where it is there. */
const instance = <T extends z.ZodType>(attributes: T) =>
  z.preprocess((value) => {
    const marked = markedSchema.safeParse(value);
    return marked.success ? { ...marked.data.attributes, kind: marked.data.__instance_type__[1] } : value;
  }, attributes);

const markedSchema = z.object({
  /** Module and class. */
  __instance_type__: z.tuple([z.string().nullable(), z.string()]),
  attributes: record,
});

/**
 * Scores: a safetensors file in base64 (Inseq 0.7), a numpy array in base64 or lists (0.6, and what `ndarray_compact: False`
 * and `use_primitives` make of it).
 */
const tensor = z.union(
  [
    z.string(),
    z.array(z.unknown()),
    z.object({
      __ndarray__: z.union([z.string(), z.array(z.unknown())]),
      dtype: z.string(),
      shape: z.array(z.int().nonnegative()),
      /** False is column-major order. */
      Corder: z.boolean().default(true),
    }),
  ],
  "expected scores",
);

const tokens = z.array(instance(z.object({ token: z.string(), id: z.int() })));

const sequence = instance(
  z.object({
    kind: z.string().optional(),
    /** Of an encoder; the prompt of a decoder-only model. */
    source: tokens,
    /** Of a decoder-only model the whole sequence. */
    target: tokens.min(1),
    /** [source, outputs, …]; null for decoder-only models. */
    source_attributions: tensor.nullish(),
    /** [target, outputs, …], NaN where the position does not come before the output. */
    target_attributions: tensor.nullish(),
    /** [outputs] each. */
    step_scores: z.record(z.string(), tensor).nullish(),
    sequence_scores: z.record(z.string(), tensor).nullish(),
    attr_pos_start: z.int().nonnegative().default(0),
    attr_pos_end: z.int().nonnegative().nullish(),
  }),
);

/** What this package adds to `info`, which Inseq keeps through `load` and `save`. */
const additions = z.object({
  timestamp: z.iso.datetime(),
  input: z.string(),
  /** Of the first sequence, to tell whether what is here still belongs to it. */
  tokens: z.array(
    z.object({
      ...{ token: z.string(), id: z.int(), text: z.string() },
      ...{ start: z.int().nonnegative(), end: z.int().nonnegative() },
    }),
  ),
  prompt_length: z.int().nonnegative(),
  dimensions: z.array(z.string()),
  path_steps: z.array(z.int()).optional(),
  stats: stats.optional(),
  timings: z.record(z.string(), z.number()),
  versions: z.record(z.string(), z.string()),
});

const info = z.object({
  attribution_method: z.string().nullish(),
  /** A Python function: "probability_fn". */
  attributed_fn: z.string().nullish(),
  model_name: z.string().nullish(),
  model_class: z.string().nullish(),
  /** Of each sequence. */
  input_texts: z.array(z.string()).nullish(),
  generated_texts: z.array(z.string()).nullish(),
  generation_args: record.nullish(),
  /** Whether the outputs were given. */
  constrained_decoding: z.boolean().nullish(),
  tokenlense_native: additions.optional(),
});

export const inseqDocument = instance(
  z.object({
    kind: z.literal("FeatureAttributionOutput").optional(),
    info: info.default({}),
    sequence_attributions: z.array(sequence).min(1),
  }),
);

export type InseqDocument = z.output<typeof inseqDocument>;
export type InseqSequence = InseqDocument["sequence_attributions"][number];
export type InseqAdditions = z.output<typeof additions>;
export type StoredScores = z.output<typeof tensor>;

/** Whether it is one of Inseq's files, be it a damaged one. */
export function isInseq(json: unknown): boolean {
  return typeof json === "object" && json !== null && ("__instance_type__" in json || "sequence_attributions" in json);
}
