import { mean, sampleCorrelation, sampleRankCorrelation } from "simple-statistics";
import { align, type CommonOutput, commonOutputs } from "./alignment.js";
import type { View } from "./view.js";

/** How far two results say the same of an output. Figures are undefined where the tokens are too few, or scores constant. */
export interface OutputAgreement {
  /** Its number in the first result and in the second, from 0. */
  readonly outputs: readonly [number, number];
  readonly text: string;
  /** How many tokens before it both have; the figures are over these. */
  readonly tokens: number;
  /** Pearson's correlation of the scores, −1 to 1. */
  readonly pearson: number | undefined;
  /** Spearman's, of their ranks; ties get the mean of their ranks. */
  readonly spearman: number | undefined;
  /** Of the k tokens with the largest sizes in one, the share that is among those of the other, 0 to 1. */
  readonly topOverlap: number | undefined;
}

/** Means over the outputs that have the figure, and what they are means of. */
export interface Agreement extends Pick<OutputAgreement, "pearson" | "spearman" | "topOverlap"> {
  readonly topK: number;
  readonly outputs: readonly OutputAgreement[];
}

/** @param topK Default 3. Outputs with no more tokens than that have no overlap to speak of. */
export function agreement(a: View, b: View, topK = 3, alignment = align(a, b)): Agreement {
  const outputs = commonOutputs(a, b, alignment).map((common) => ofOutput(a, b, common, topK));
  const over = (figure: "pearson" | "spearman" | "topOverlap") => meanOfKnown(outputs.map((output) => output[figure]));
  return { pearson: over("pearson"), spearman: over("spearman"), topOverlap: over("topOverlap"), topK, outputs };
}

/** Undefined where none is known. */
export function meanOfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? mean(known) : undefined;
}

export interface PairAgreement extends Agreement {
  /** Places of the two among the results. */
  readonly results: readonly [number, number];
}

/** Each pair of results. */
export function compareViews(views: readonly View[], topK?: number): PairAgreement[] {
  return views.flatMap((a, first) =>
    views.slice(first + 1).map((b, i) => ({ results: [first, first + 1 + i] as const, ...agreement(a, b, topK) })),
  );
}

function ofOutput(a: View, b: View, { a: here, b: there, positions }: CommonOutput, topK: number): OutputAgreement {
  const first = positions.map((pair) => a.scores[pair.a * a.outputs + here] as number);
  const second = positions.map((pair) => b.scores[pair.b * b.outputs + there] as number);
  const enough = positions.length > 2;
  const known = (value: number) => (Number.isFinite(value) ? value : undefined);
  const [top, other] = [largest(first, topK), largest(second, topK)];
  const most = Math.max(top.length, other.length);
  return {
    outputs: [here, there],
    text: a.texts[a.promptLength + here] as string,
    tokens: positions.length,
    pearson: enough ? known(sampleCorrelation(first, second)) : undefined,
    spearman: enough ? known(sampleRankCorrelation(first, second)) : undefined,
    topOverlap:
      positions.length > topK && most > 0 ? top.filter((place) => other.includes(place)).length / most : undefined,
  };
}

/** Places of the k largest sizes, the largest first and the first of those that are alike; zeros are none of them. */
export function largest(scores: ArrayLike<number>, k: number): number[] {
  // No sorting: a page of 1,000 tokens asks for the top three of hundreds of outputs at once.
  const places: number[] = [];
  const size = (place: number | undefined) => Math.abs(scores[place as number] as number);
  for (let place = 0; place < scores.length; place++) {
    if (!(size(place) > 0) || (places.length === k && size(place) <= size(places.at(-1)))) continue;
    let rank = places.length;
    while (rank > 0 && size(places[rank - 1]) < size(place)) rank--;
    places.splice(rank, 0, place);
    if (places.length > k) places.pop();
  }
  return places;
}

/** An agreement as a row of a table: outputs, Pearson, Spearman, overlap. */
export function agreementTexts({
  outputs,
  pearson,
  spearman,
  topOverlap,
}: Partial<Omit<Agreement, "outputs">> & { readonly outputs: readonly unknown[] }): string[] {
  return [
    String(outputs.length),
    ...[pearson, spearman].map((value) => (value === undefined ? "–" : correlationText(value))),
    topOverlap === undefined ? "–" : `${Math.round(100 * topOverlap)} %`,
  ];
}

export function correlationText(value: number): string {
  return value.toFixed(3).replace("-", "−");
}
