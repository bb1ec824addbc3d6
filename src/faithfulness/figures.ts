import { mean } from "simple-statistics";
import type { MaskedTexts } from "./masked-texts.js";
import type { Ranking } from "./rankings.js";

/** What the order in which a ranking takes the tokens before an output does to the step function f there. */
export interface FaithfulnessFigures {
  /**
   * For each share, f less f without the tokens ranked first (DeYoung et al. 2020): larger is better, where a method names
   * the tokens that hold f up.
   */
  readonly comprehensiveness: readonly number[];
  /** For each share, f less f with these tokens alone: smaller is better. */
  readonly sufficiency: readonly number[];
  /** Means over the shares: DeYoung et al.'s area over the perturbation curve. */
  readonly meanComprehensiveness: number;
  readonly meanSufficiency: number;
  /** For each point, f without the tokens ranked first (Petsiuk et al. 2018). */
  readonly deletion: readonly number[];
  /** For each point, f with these tokens alone. */
  readonly insertion: readonly number[];
  /** Under the curve over the share of tokens from 0 to 1, by trapezoids: smaller is better. */
  readonly deletionArea: number;
  /** Likewise: larger is better. */
  readonly insertionArea: number;
}

/** Which tokens are taken: shares of all before an output, from 0 to 1, and which of the points are the caller's shares. */
export interface Points {
  readonly points: readonly number[];
  readonly ofShares: readonly number[];
}

/** The caller's shares, equal steps between, and both ends. */
export function pointsOf(shares: readonly number[], steps: number): Points {
  const equal = Array.from({ length: steps + 1 }, (_, i) => i / steps);
  const points = [...new Set([...shares, ...equal])].sort((a, b) => a - b);
  return { points, ofShares: shares.map((share) => points.indexOf(share)) };
}

/** How many of so many tokens a share of them is: rounded up, so that a share takes one token at least. */
export function countOf(share: number, tokens: number): number {
  // A product such as 0.07 * 100 comes out above 7.
  return Math.max(0, Math.ceil(share * tokens - 1e-9));
}

/** Where the values of a ranking's curves will be. */
export interface CurvePlan {
  readonly deletion: readonly number[];
  readonly insertion: readonly number[];
}

export function planCurves(texts: MaskedTexts, ranking: Ranking, points: readonly number[]): CurvePlan {
  const counts = points.map((point) => countOf(point, ranking.length));
  return {
    deletion: counts.map((count) => texts.want(ranking, (place) => place >= count)),
    insertion: counts.map((count) => texts.want(ranking, (place) => place < count)),
  };
}

export function figuresOf(
  plan: CurvePlan,
  values: ArrayLike<number>,
  { points, ofShares }: Points,
  tokens: number,
): FaithfulnessFigures {
  const [deletion, insertion] = [plan.deletion, plan.insertion].map((places) =>
    places.map((place) => values[place] as number),
  ) as [number[], number[]];
  const whole = deletion[0] as number;
  const comprehensiveness = ofShares.map((point) => whole - (deletion[point] as number));
  const sufficiency = ofShares.map((point) => whole - (insertion[point] as number));
  const places = points.map((point) => countOf(point, tokens) / tokens);
  return {
    comprehensiveness,
    sufficiency,
    meanComprehensiveness: mean(comprehensiveness),
    meanSufficiency: mean(sufficiency),
    deletion,
    insertion,
    deletionArea: area(places, deletion),
    insertionArea: area(places, insertion),
  };
}

function area(places: readonly number[], values: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < places.length; i++)
    sum +=
      (((places[i] as number) - (places[i - 1] as number)) * ((values[i] as number) + (values[i - 1] as number))) / 2;
  return sum;
}

/** Each figure by a function of the same figure in all, point by point. */
export function combined(
  all: readonly FaithfulnessFigures[],
  combine: (values: readonly number[]) => number,
): FaithfulnessFigures {
  return mapFigures(all[0] as FaithfulnessFigures, (_, name, at) =>
    combine(all.map((figures) => figureAt(figures, name, at))),
  );
}

type FigureName = keyof FaithfulnessFigures;

export function figureAt(figures: FaithfulnessFigures, name: FigureName, at: number): number {
  const figure = figures[name];
  return typeof figure === "number" ? figure : (figure[at] as number);
}

/** The shape of the figures, of something else. */
export type ByFigure<T> = {
  readonly [Name in FigureName]: FaithfulnessFigures[Name] extends number ? T : readonly T[];
};

export function mapFigures<T>(
  figures: FaithfulnessFigures,
  map: (value: number, name: FigureName, at: number) => T,
): ByFigure<T> {
  return Object.fromEntries(
    (Object.entries(figures) as [FigureName, number | readonly number[]][]).map(([name, figure]) => [
      name,
      typeof figure === "number" ? map(figure, name, 0) : figure.map((value, at) => map(value, name, at)),
    ]),
  ) as Record<FigureName, unknown> as ByFigure<T>;
}
