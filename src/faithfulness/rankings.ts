import { uniform } from "../methods/draw.js";
import type { Attribution } from "../result.js";

/** For each position before an output its place in the order in which tokens are taken, 0 first. */
export type Ranking = Int32Array;

/** By which the tokens of an attribution are ordered: the largest score first, or the largest size. */
export type RankBy = "score" | "size";

/** What is left to chance: for each position of a text one number for each random ranking, and one to part equal scores. */
export interface Draws {
  readonly rankings: readonly Float64Array[];
  readonly ties: Float64Array;
}

/** The same for the same seed and number of positions. */
export function draw(positions: number, { seed, repeats }: { seed: number; repeats: number }): Draws {
  const next = uniform(seed);
  const numbers = () => Float64Array.from({ length: positions }, next);
  const ties = numbers();
  return { rankings: Array.from({ length: repeats }, numbers), ties };
}

/** Equal scores are ordered by chance, so that a method that says nothing is as good as chance. */
export function rankingOf(result: Attribution, output: number, by: RankBy, { ties }: Draws): Ranking {
  const { tokenScores, outputs, promptLength } = result;
  const scores = Float64Array.from({ length: promptLength + output }, (_, position) => {
    const score = tokenScores[position * outputs + output] as number;
    return by === "size" ? Math.abs(score) : score;
  });
  return ranked(scores, ties);
}

/** By chance alone. Rankings of one draw are alike from output to output, so that outputs share much of their work. */
export function randomRanking(positions: number, numbers: Float64Array): Ranking {
  return ranked(numbers.subarray(0, positions), numbers);
}

function ranked(scores: Float64Array, ties: Float64Array): Ranking {
  const order = Array.from(scores.keys()).sort(
    (a, b) => (scores[b] as number) - (scores[a] as number) || (ties[b] as number) - (ties[a] as number),
  );
  const ranking = new Int32Array(order.length);
  order.forEach((position, place) => {
    ranking[position] = place;
  });
  return ranking;
}
