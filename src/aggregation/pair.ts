import { TokenlenseError } from "../errors.js";
import type { AttributionData, Token } from "../result.js";

export type PairFunction = (first: number, second: number) => number;

/**
 * Two attributions as one, score by score and step score by step score: by default the second less the first. Where a
 * position does not come before an output neither has a score, and `combine` is not called.
 * Tokens that differ become "first → second", with id −1; all else is the first's.
 * @throws ERR_TOKENLENSE_INPUT where they differ in shape or the second lacks a step score.
 */
export function pair(
  first: AttributionData,
  second: AttributionData,
  combine: PairFunction = (a, b) => b - a,
): AttributionData {
  requireAlike(first, second);
  const { promptLength, shape, scores } = first;
  const [, outputs = 1] = shape;
  const other = second.scores;
  const inner = scores.length / (first.tokens.length * outputs);
  const before = (cell: number) =>
    Math.floor(cell / (outputs * inner)) < promptLength + (Math.floor(cell / inner) % outputs);
  return {
    ...first,
    tokens: first.tokens.map((token, i) => pairTokens(token, second.tokens[i] as Token)),
    // What either method says of its own sum says nothing of the pair's.
    convergenceDeltas: undefined,
    pathSteps: undefined,
    // A merged output may have a score for itself.
    scores: scores.map((score, cell) =>
      before(cell) || score !== 0 || other[cell] !== 0 ? combine(score, other[cell] as number) : 0,
    ),
    stepScores: Object.fromEntries(
      Object.entries(first.stepScores).map(([name, values]) => [
        name,
        values.map((value, output) => combine(value, second.stepScores[name]?.[output] as number)),
      ]),
    ),
  };
}

function requireAlike(first: AttributionData, second: AttributionData): void {
  const form = ({ shape, dimensions, promptLength }: AttributionData) =>
    `[${shape.join(", ")}] with ${promptLength} prompt tokens${dimensions.length > 0 ? ` by ${dimensions.join(", ")}` : ""}`;
  if (form(first) !== form(second))
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `A pair must be alike in shape: the first is ${form(first)}, the second ${form(second)}.`,
      { hint: "Aggregate both in the same way first, for example by the same spans." },
    );
  const missing = Object.keys(first.stepScores).filter((name) => !Object.hasOwn(second.stepScores, name));
  if (missing.length > 0)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The second of the pair lacks step scores: ${missing.join(", ")}.`,
    );
}

function pairTokens(first: Token, second: Token): Token {
  if (first.token === second.token) return first;
  const both = (a: string, b: string) => `${a} → ${b}`;
  return { ...first, token: both(first.token, second.token), text: both(first.text, second.text), id: -1 };
}
