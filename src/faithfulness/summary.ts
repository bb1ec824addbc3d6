import { mean, quantileSorted } from "simple-statistics";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { uniform } from "../methods/draw.js";
import { parseOptions } from "../options.js";
import { type ByFigure, combined, type FaithfulnessFigures, figureAt, mapFigures } from "./figures.js";

/** A figure of the attribution beside the same of random rankings; means over outputs. */
export interface FaithfulnessEstimate {
  readonly attribution: number;
  readonly random: number;
  /** Attribution less random, output by output. */
  readonly difference: number;
  /**
   * In which the difference's mean lies with 95 % confidence, by the percentile bootstrap over results and, in each, its
   * outputs (Efron & Tibshirani 1993). Undefined where there is one output only.
   */
  readonly interval: readonly [low: number, high: number] | undefined;
}

/** Figures in the mean. Lists go by share (comprehensiveness, sufficiency) or by point of the curves. */
export type FaithfulnessSummary = ByFigure<FaithfulnessEstimate>;

/** What is known of one output. */
export interface OutputFigures {
  readonly attribution: FaithfulnessFigures;
  /** Means over the random rankings. */
  readonly random: FaithfulnessFigures;
}

export interface SummaryOptions {
  /** Resamples of the bootstrap. Default 1000. */
  resamples?: number | undefined;
  /** Of the bootstrap. Default 0. */
  seed?: number | undefined;
}

export const summaryOptions = z.strictObject({
  resamples: z.int().positive().default(1000),
  seed: z.int().nonnegative().default(0),
});

const LEVEL = 0.95;

/**
 * Means and intervals over the outputs of results that `faithfulness` gave, of whichever calls: of one method over many
 * prompts, say.
 * @throws ERR_TOKENLENSE_INPUT where there is none, or they have different shares or curves.
 */
export function summariseFaithfulness(
  given: readonly { readonly outputs: readonly OutputFigures[] }[],
  options: SummaryOptions = {},
): FaithfulnessSummary {
  const { resamples, seed } = parseOptions(summaryOptions, options);
  const results = given.filter(({ outputs }) => outputs.length > 0);
  const outputs = results.flatMap((result) => result.outputs);
  const [first] = outputs;
  if (!first) throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is no output to summarise.");
  const sizes = ({ attribution: { comprehensiveness, deletion } }: OutputFigures) =>
    `${comprehensiveness.length},${deletion.length}`;
  if (outputs.some((output) => sizes(output) !== sizes(first)))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "The results have different shares or curves.", {
      hint: "Summarise results that were computed with the same shares and curveSteps.",
    });
  const draws = outputs.length > 1 ? resampled(results, resamples, uniform(seed)) : undefined;
  const means = (ranking: keyof OutputFigures) =>
    combined(
      outputs.map((output) => output[ranking]),
      mean,
    );
  const random = means("random");
  return mapFigures(means("attribution"), (attribution, name, at): FaithfulnessEstimate => {
    const differences = Float64Array.from(
      outputs,
      (output) => figureAt(output.attribution, name, at) - figureAt(output.random, name, at),
    );
    return {
      attribution,
      random: figureAt(random, name, at),
      difference: mean([...differences]),
      interval: draws && interval(differences, draws),
    };
  });
}

/** For each resample, indices into the outputs of all results. */
function resampled(
  results: readonly { readonly outputs: readonly unknown[] }[],
  resamples: number,
  next: () => number,
): Int32Array[] {
  const starts = results.map((_, i) => results.slice(0, i).reduce((sum, { outputs }) => sum + outputs.length, 0));
  const below = (end: number) => Math.floor(next() * end);
  return Array.from({ length: resamples }, () => {
    const drawn = results.flatMap(() => {
      const result = below(results.length);
      const count = results[result]?.outputs.length ?? 0;
      return Array.from({ length: count }, () => (starts[result] as number) + below(count));
    });
    return Int32Array.from(drawn);
  });
}

function interval(differences: Float64Array, draws: readonly Int32Array[]): [number, number] {
  const means = draws
    .map((indices) => indices.reduce((sum, index) => sum + (differences[index] as number), 0) / indices.length)
    .sort((a, b) => a - b);
  return [quantileSorted(means, (1 - LEVEL) / 2), quantileSorted(means, (1 + LEVEL) / 2)];
}
