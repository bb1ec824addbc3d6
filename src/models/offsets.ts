import { diffArrays } from "diff";
import type { Span } from "../aggregation/segments.js";
import { wellFormed } from "./pieces.js";
import type { Prefix } from "./tokenizer-library.js";

export interface LocatedPiece {
  /** As `Tokenizer.tokens` has it. */
  text: string;
  /** A mark, such as BOS, stands for itself and need not be in the text; "unknown" stands for whatever the vocabulary lacks. */
  kind: "text" | "mark" | "unknown";
}

/**
 * Where each token lies in the text that it was made of, or that was made of it: [start, end) in UTF-16 code units.
 *
 * The tokens tile the text: each begins where the one before it ended. Empty are tokens that the text does not hold (BOS,
 * a space that was put before it) and those that only begin a character, which is the last one's as in `readable`. Gaps are
 * what the tokenizer dropped: bytes that the vocabulary lacks, white space that a special token or BERT takes away. Where it
 * rewrote the text (composed it, lower-cased it), the two are aligned character by character.
 */
export function locate(pieces: readonly LocatedPiece[], given: string, prefix: Prefix): Span[] {
  const text = wellFormed(given);
  return tiled(pieces, text) ?? stepped(pieces, text, prefix) ?? aligned(pieces, text);
}

function tiled(pieces: readonly LocatedPiece[], text: string): Span[] | undefined {
  if (pieces.map((piece) => piece.text).join("") !== text) return undefined;
  let end = 0;
  return pieces.map((piece) => {
    end += piece.text.length;
    return [end - piece.text.length, end];
  });
}

/** Marks may be missing in the text, and the space before it; undefined where anything else is. */
function stepped(pieces: readonly LocatedPiece[], text: string, prefix: Prefix): Span[] | undefined {
  const spans: Span[] = [];
  let place = 0;
  let begins = true;
  for (const { text: own, kind } of pieces) {
    const bare = own.slice(1);
    const spaced = begins && prefix !== "none" && own.startsWith(" ");
    const forms = spaced ? (prefix === "always" ? [bare, own] : [own, bare]) : [own];
    const form = forms.find((candidate) => text.startsWith(candidate, place)) ?? (kind === "mark" ? "" : undefined);
    if (form === undefined) return undefined;
    spans.push([place, place + form.length]);
    place += form.length;
    begins = kind === "mark";
  }
  return place === text.length ? spans : undefined;
}

/** A character of either side; those that a tokenizer takes for one another have the same units. */
interface Unit {
  unit: string;
  /** Of the text, or of the pieces. */
  index: number;
}

function aligned(pieces: readonly LocatedPiece[], text: string): Span[] {
  const [first, last] = [
    absentMarks(pieces, text.startsWith.bind(text)),
    absentMarks(pieces.toReversed(), text.endsWith.bind(text)),
  ];
  const source: Unit[] = [];
  const ends = new Map<number, number>();
  let at = 0;
  for (const character of text) {
    for (const unit of folded(character)) source.push({ unit, index: at });
    ends.set(at, at + character.length);
    at += character.length;
  }
  const found = pieces.flatMap(({ text: own, kind }, index): Unit[] => {
    if (index < first || index >= pieces.length - last) return [];
    // Longer than any character's unit, so that it is like none.
    if (kind === "unknown") return [...(own.startsWith(" ") ? [{ unit: " ", index }] : []), { unit: "unknown", index }];
    return [...own].flatMap(folded).map((unit) => ({ unit, index }));
  });

  const spans: ([number, number] | undefined)[] = pieces.map(() => undefined);
  const give = (piece: number, start: number) => {
    const end = ends.get(start) as number;
    const own = spans[piece];
    spans[piece] = own ? [own[0], end] : [start, end];
  };
  let [s, f] = [0, 0];
  let [dropped, made]: [Unit[], Unit[]] = [[], []];
  const units = (side: readonly Unit[]) => side.map(({ unit }) => unit);
  for (const { added, removed, count } of diffArrays(units(source), units(found))) {
    if (removed) {
      dropped = source.slice(s, s + count);
      s += count;
    } else if (added) {
      made = found.slice(f, f + count);
      f += count;
    } else {
      replaced(dropped, made, found[f - made.length - 1]?.index, give);
      [dropped, made] = [[], []];
      for (let i = 0; i < count; i++) give((found[f + i] as Unit).index, (source[s + i] as Unit).index);
      [s, f] = [s + count, f + count];
    }
  }
  replaced(dropped, made, found[f - made.length - 1]?.index, give);
  let end = 0;
  return spans.map((span): Span => {
    const start = Math.max(end, span?.[0] ?? end);
    end = Math.max(start, span?.[1] ?? start);
    return [start, end];
  });
}

/** How many marks come first that are not in the text. */
function absentMarks(pieces: readonly LocatedPiece[], holds: (text: string) => boolean): number {
  const at = pieces.findIndex(({ text, kind }) => kind !== "mark" || holds(text));
  return at < 0 ? pieces.length : at;
}

/** What stands in place of something goes to it in equal parts; accents that nothing stands for go to what came before. */
function replaced(
  dropped: readonly Unit[],
  made: readonly Unit[],
  before: number | undefined,
  give: (piece: number, start: number) => void,
): void {
  const makers = [...new Set(made.filter(({ unit }) => unit !== " ").map(({ index }) => index))];
  dropped.forEach(({ unit, index }, i) => {
    const maker = makers[Math.floor((i * makers.length) / dropped.length)];
    if (maker !== undefined) give(maker, index);
    else if (before !== undefined && /^\p{M}$/u.test(unit)) give(before, index);
  });
}

const folded = (character: string): string[] => [...character.normalize("NFKD").toLowerCase().replace(/^\s$/, " ")];
