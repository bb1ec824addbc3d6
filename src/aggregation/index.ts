import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { unknownName } from "../nearest.js";
import { parseOptions } from "../options.js";
import type { Attribution, AttributionData } from "../result.js";
import {
  type AggregationFunctionName,
  aggregationFunctions,
  isAggregationFunction,
  requireAggregationFunction,
} from "./functions.js";
import { type PairFunction, pair } from "./pair.js";
import { aggregateScores, type Selection } from "./scores.js";
import type { Span } from "./segments.js";
import { slice } from "./slices.js";
import { mergeSpans } from "./spans.js";
import { type SplitMode, splitModes, splitSpans, toPattern } from "./split.js";
import { subwordSpans } from "./subwords.js";

/**
 * How an attribution is aggregated. Positions are those that it has when the step comes to it. `function` is for its
 * scores; step scores of merged outputs have functions of their own, so that a word's probability is the product of its
 * tokens'.
 */
export type Aggregation =
  /** The last of its own dimensions: embedding, or head and then layer. Default: L2 norm over the embedding, mean over others. */
  | { by: "scores"; function?: AggregationFunctionName | undefined; select?: Selection | undefined }
  /** Spans of tokens, each merged into one. Default "absmax". */
  | { by: "spans"; spans: readonly Span[]; function?: AggregationFunctionName | undefined }
  /** Words, by the marks of the tokenizer. Default "absmax". */
  | { by: "subwords"; function?: AggregationFunctionName | undefined }
  /**
   * What a regular expression finds in the text of the tokens, and what is between. `mode` says where its matches go:
   * "single" (the default), a token of their own; "start", to what follows; "end", to what comes before. Default "absmax".
   */
  | {
      by: "split";
      pattern: string | RegExp;
      mode?: SplitMode | undefined;
      function?: AggregationFunctionName | undefined;
    }
  /** Only these spans of the prompt, and all outputs. */
  | { by: "slices"; spans: readonly Span[] }
  /** With another attribution of the same shape: by default that one's scores less this one's. */
  | { by: "pair"; with: Attribution; function?: PairFunction | undefined };

/** An aggregation, or the name of one that needs no more than it, or of a function to aggregate scores by. */
export type AggregationStep = Aggregation | "scores" | "subwords" | AggregationFunctionName;

const spans = z.array(z.tuple([z.int(), z.int()]));
const functionName = z.string().optional();

const schemas = {
  scores: z.strictObject({
    by: z.literal("scores"),
    function: functionName,
    select: z
      .union([z.int(), z.array(z.int()), z.strictObject({ from: z.int(), to: z.int() })], {
        error: "expected a place, a list of places, or { from, to }",
      })
      .optional(),
  }),
  spans: z.strictObject({ by: z.literal("spans"), spans, function: functionName }),
  subwords: z.strictObject({ by: z.literal("subwords"), function: functionName }),
  split: z.strictObject({
    by: z.literal("split"),
    pattern: z.union([z.string(), z.instanceof(RegExp)], { error: "expected a regular expression" }),
    mode: z.enum(splitModes).default("single"),
    function: functionName,
  }),
  slices: z.strictObject({ by: z.literal("slices"), spans }),
  pair: z.strictObject({
    by: z.literal("pair"),
    with: z.custom<Attribution>(isAttribution, "expected an attribution"),
    function: z.custom<PairFunction>((value) => typeof value === "function", "expected a function").optional(),
  }),
};

const steps = z.array(
  z.discriminatedUnion("by", [
    schemas.scores,
    schemas.spans,
    schemas.subwords,
    schemas.split,
    schemas.slices,
    schemas.pair,
  ]),
);
type Checked = z.output<typeof steps>[number];

/**
 * One step after another; {@link Attribution.aggregate} says more. `data.scores` stay as they are, and are the result's
 * where there is no step.
 */
export function aggregate(data: AttributionData, given: unknown): AttributionData {
  const list = (Array.isArray(given) ? given : [given]).map(spellOut);
  const result = parseOptions(steps, list).reduce(apply, data);
  requireFinite("A score", result.scores);
  for (const [name, values] of Object.entries(result.stepScores)) requireFinite(`A step score "${name}"`, values);
  return result;
}

/** A bare name as Inseq has them; names that are not known are told here, with the nearest. */
function spellOut(step: unknown): unknown {
  if (typeof step === "string") {
    if (Object.hasOwn(schemas, step)) return { by: step };
    if (isAggregationFunction(step)) return { by: "scores", function: step };
    throw unknownName("aggregation", step, [...Object.keys(schemas), ...Object.keys(aggregationFunctions)]);
  }
  const { by } = (step ?? {}) as { by?: unknown };
  if (typeof by === "string" && !Object.hasOwn(schemas, by)) throw unknownName("aggregation", by, Object.keys(schemas));
  return step;
}

function apply(data: AttributionData, step: Checked): AttributionData {
  const named = (name: string | undefined) => (name === undefined ? undefined : requireAggregationFunction(name));
  switch (step.by) {
    case "scores":
      return aggregateScores(data, named(step.function), step.select);
    case "spans":
      return mergeSpans(data, step.spans, named(step.function));
    case "subwords":
      return mergeSpans(data, subwordSpans(data.tokens), named(step.function));
    case "split":
      return mergeSpans(data, splitSpans(data.tokens, toPattern(step.pattern), step.mode), named(step.function));
    case "slices":
      return slice(data, step.spans);
    case "pair":
      return pair(data, step.with, step.function);
  }
}

function isAttribution(value: unknown): boolean {
  return typeof value === "object" && value !== null && "tokens" in value && "shape" in value && "stepScores" in value;
}

/** Perplexities of many tokens multiply beyond float32, and a file cannot hold what is not finite. */
function requireFinite(what: string, values: Float32Array): void {
  const value = values.find((score) => !Number.isFinite(score));
  if (value === undefined) return;
  throw new TokenlenseError("ERR_TOKENLENSE_NON_FINITE", `${what} becomes ${value} by this aggregation.`, {
    hint: "Merge fewer tokens, or aggregate by a function that does not multiply.",
  });
}
