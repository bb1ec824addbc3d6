import type { Span } from "../aggregation/segments.js";
import { locate } from "../models/offsets.js";
import { byteLevel, readable, type Spelling, sentencePiece } from "../models/pieces.js";
import { unmarked } from "./token-text.js";

export interface PlacedTokens {
  /** What each token stands for. */
  texts: readonly string[];
  /** Where that lies in `text`. */
  spans: readonly Span[];
  text: string;
}

/**
 * The texts of tokens of an unknown tokenizer: byte-level, SentencePiece, or words as they are, with marks for spaces.
 * @param known The text that they are of; without one, they make it.
 */
export function placeTokens(tokens: readonly string[], known: string | undefined): PlacedTokens {
  const marks = tokens.map((token) => MARK.test(token));
  const readings = SPELLINGS.map((spell) => readable(spell(tokens, marks)));
  const joined = readings.map((texts) => texts.join(""));
  let choice = joined.findIndex((text) => text === known || text.trimStart() === known);
  // The text may be shortened, or tokens merged and renamed.
  if (choice < 0) choice = !tokens.some((token) => /[ĠĊ]/.test(token)) ? 1 : joined[0]?.includes("\uFFFD") ? 2 : 0;
  const texts = readings[choice] as string[];
  const text = known ?? (joined[choice] as string);
  const pieces = texts.map((own, i) => ({ text: own, kind: marks[i] ? ("mark" as const) : ("text" as const) }));
  return { texts, text, spans: locate(pieces, text, choice === 1 ? "always" : "none") };
}

/** "<s>", "<|im_start|>", "[CLS]": may be missing in the text. A byte of SentencePiece's is none. */
const MARK = /^(?!<0x[0-9A-F]{2}>$)(<[^<>\s]+>|\[[A-Z]+\])$/;

const SPELLINGS: readonly Spelling[] = [
  byteLevel(),
  (tokens) => tokens.map(sentencePiece),
  (tokens) => tokens.map((token) => Buffer.from(unmarked(token))),
];
