import { TokenlenseError } from "../errors.js";
import type { Token } from "../result.js";
import type { Span } from "./segments.js";

/** Where the tokens of a match go: apart, to what follows them, or to what comes before them. */
export const splitModes = ["single", "start", "end"] as const;
export type SplitMode = (typeof splitModes)[number];

/**
 * Spans that a regular expression cuts the text of the tokens into. A token that has part of a match belongs to the match;
 * one that has part of two is a piece of its own. Without a match there are no spans; a match without characters is none.
 */
export function splitSpans(tokens: readonly Token[], pattern: RegExp, mode: SplitMode): Span[] {
  const matches = matchedTokens(tokens, pattern);
  if (matches.length === 0) return [];
  const matched = new Set(matches.flatMap(([start, end]) => range(start, end)));
  const cuts = sorted([0, ...matches.flat(), tokens.length]);
  const pieces = between(cuts);
  if (mode === "single") return pieces;
  const separators = pieces.filter(([start]) => matched.has(start));
  return between(sorted([0, ...separators.map(([start, end]) => (mode === "start" ? start : end)), tokens.length]));
}

/** @throws ERR_TOKENLENSE_INPUT for what is no regular expression. */
export function toPattern(pattern: string | RegExp): RegExp {
  try {
    if (typeof pattern === "string") return new RegExp(pattern, "gu");
    return pattern.global ? pattern : new RegExp(pattern, `${pattern.flags}g`);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", (cause as Error).message, { cause });
  }
}

/** For each match, the tokens [start, end) that have characters of it. */
function matchedTokens(tokens: readonly Token[], pattern: RegExp): Span[] {
  const ends: number[] = [];
  for (const { text } of tokens) ends.push((ends.at(-1) ?? 0) + text.length);
  const holding = (character: number) => ends.findIndex((end) => end > character);
  const text = tokens.map((token) => token.text).join("");
  return [...text.matchAll(pattern)]
    .filter(([match]) => match.length > 0)
    .map(({ 0: match, index }): Span => {
      let start = holding(index);
      // Tokens without text begin a character that the next one ends.
      while (tokens[start - 1]?.text === "") start--;
      return [start, holding(index + match.length - 1) + 1];
    });
}

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
const sorted = (places: readonly number[]) => [...new Set(places)].sort((a, b) => a - b);
const between = (cuts: readonly number[]) => cuts.slice(1).map((end, i): Span => [cuts[i] as number, end]);
