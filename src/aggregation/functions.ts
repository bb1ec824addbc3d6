import { unknownName } from "../nearest.js";

/** Reduces `count` values of which the first is at `start`, each `stride` after the one before. `count` is at least 1. */
export type Reduction = (values: Float32Array, start: number, count: number, stride: number) => number;

// Sums are double: what comes out is then closer to the true value than torch's float32, and rounded once.
const sum = fold((total, value) => total + value);

const registry = {
  /** The value furthest from zero, with its sign; the first of those that are alike. */
  absmax(values, start, count, stride) {
    let best = at(values, start);
    for (let i = 1; i < count; i++) {
      const value = at(values, start + i * stride);
      if (Math.abs(value) > Math.abs(best)) best = value;
    }
    return best;
  },
  max: fold((most, value) => Math.max(most, value)),
  mean: (values, start, count, stride) => sum(values, start, count, stride) / count,
  min: fold((least, value) => Math.min(least, value)),
  prod: fold((product, value) => product * value),
  sum,
  /** L2 norm. */
  vnorm(values, start, count, stride) {
    let squares = 0;
    for (let i = 0; i < count; i++) squares += at(values, start + i * stride) ** 2;
    return Math.sqrt(squares);
  },
} satisfies Record<string, Reduction>;

export type AggregationFunctionName = keyof typeof registry;

/** Every aggregation function, by name. Definitions are those of Inseq 0.7.1. */
export const aggregationFunctions: Readonly<Record<AggregationFunctionName, Reduction>> = registry;

export const isAggregationFunction = (name: string): name is AggregationFunctionName => Object.hasOwn(registry, name);

/** @throws ERR_TOKENLENSE_INPUT with the nearest names. */
export function requireAggregationFunction(name: string): AggregationFunctionName {
  if (isAggregationFunction(name)) return name;
  throw unknownName("aggregation function", name, Object.keys(registry));
}

/** What an attribution's own dimension goes by unless asked otherwise: as in Inseq, a norm over the embedding, else a mean. */
export function dimensionFunction(dimension: string | undefined): AggregationFunctionName {
  return dimension === "embedding" ? "vnorm" : "mean";
}

/**
 * What step scores of merged outputs go by: Inseq's DEFAULT_ATTRIBUTION_AGGREGATE_DICT, so that the probability of a
 * word is the product of its tokens'. Other step scores: absmax, Inseq's default for spans.
 */
export function stepScoreFunction(name: string): AggregationFunctionName {
  return Object.hasOwn(stepScoreFunctions, name) ? (stepScoreFunctions[name] as AggregationFunctionName) : "absmax";
}

const stepScoreFunctions: Readonly<Record<string, AggregationFunctionName>> = {
  probability: "prod",
  entropy: "sum",
  crossentropy: "sum",
  perplexity: "prod",
  contrast_prob_diff: "prod",
  contrast_prob: "prod",
  pcxmi: "sum",
  kl_divergence: "sum",
  mc_dropout_prob_avg: "prod",
};

function fold(step: (result: number, value: number) => number): Reduction {
  return (values, start, count, stride) => {
    let result = at(values, start);
    for (let i = 1; i < count; i++) result = step(result, at(values, start + i * stride));
    return result;
  };
}

const at = (values: Float32Array, index: number) => values[index] as number;
