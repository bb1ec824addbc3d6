import { normalise } from "../../aggregation/normalise.js";
import { subwordSpans } from "../../aggregation/subwords.js";
import type { Attribution } from "../../result.js";
import { textOf } from "../../storage/token-text.js";
import type { Unit } from "./schemas.js";

/** A token, or a word, at its place in a result. */
export interface Occurrence {
  token: string;
  role: "prompt" | "target";
  /** The token's, or the first token's of a word. */
  position: number;
  /** Mean over the outputs after it of its share: its score's size over the sum of all sizes. */
  share: number;
  /** The same, each share over that of an average token. */
  lift: number;
}

/** All that have an output after them. */
export function occurrencesOf(result: Attribution, unit: Unit): Occurrence[] {
  if (unit === "token") return occurrences(result, (position) => position);
  const inner = new Set(subwordSpans(result.tokens).flatMap(([start, end]) => between(start + 1, end)));
  const starts = between(0, result.tokens.length).filter((position) => !inner.has(position));
  using words = result.aggregate([...result.dimensions.map(() => "scores" as const), "subwords"]);
  return occurrences(words, (position) => starts[position] as number);
}

function occurrences(result: Attribution, positionOf: (position: number) => number): Occurrence[] {
  const { tokens, outputs, promptLength } = result;
  const shares = normalise("inseq", result.tokenScores, outputs);
  return tokens.slice(0, -1).map((token, place) => {
    const first = Math.max(0, place - promptLength + 1);
    let [share, lift] = [0, 0];
    for (let output = first; output < outputs; output++) {
      const size = Math.abs(shares[place * outputs + output] as number);
      share += size;
      lift += size * (promptLength + output);
    }
    const after = outputs - first;
    return {
      token: textOf(token).trim() || textOf(token) || token.token,
      role: token.role,
      position: positionOf(place),
      share: share / after,
      lift: lift / after,
    };
  });
}

const between = (start: number, end: number): number[] =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);
