import { createRequire } from "node:module";
import type { Span } from "../aggregation/segments.js";
import { wellFormed } from "./pieces.js";
import type { Prefix } from "./tokenizer-library.js";

const require = createRequire(import.meta.url);

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
 * rewrote the text (composed it, lower-cased it), the two are aligned character by character; what an unknown token stands
 * for is then a guess where the same characters are near.
 */
export function locate(pieces: readonly LocatedPiece[], given: string, prefix: Prefix): Span[] {
  const text = wellFormed(given);
  return tiled(pieces, text) ?? stepped(pieces, text, prefix) ?? aligned(pieces, text, prefix);
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

/** A character of either side. Those that a tokenizer takes for one another are the same unit. */
interface Unit {
  unit: string;
  /** Where the character begins in the text; or the piece's index. */
  index: number;
}

function aligned(pieces: readonly LocatedPiece[], text: string, prefix: Prefix): Span[] {
  const source: Unit[] = [];
  const ends = new Map<number, number>();
  let at = 0;
  for (const character of text) {
    for (const unit of folded(character)) source.push({ unit, index: at });
    ends.set(at, at + character.length);
    at += character.length;
  }
  const made = unitsOf(pieces, text, prefix);
  const spans: ([number, number] | undefined)[] = pieces.map(() => undefined);
  const give = (piece: number, start: number) => {
    const own = spans[piece];
    spans[piece] = [Math.min(start, own?.[0] ?? start), Math.max(ends.get(start) as number, own?.[1] ?? 0)];
  };
  const pairs = [...matches(source, made, give), [source.length, made.length] as const];
  // Spaces go by the characters around them: where some were dropped, the last ones stayed.
  let [s, m] = [0, 0];
  for (const [nextSource, nextMade] of pairs) {
    const [there, here] = [source.slice(s, nextSource).filter(isSpace), made.slice(m, nextMade).filter(isSpace)];
    const kept = Math.min(there.length, here.length);
    for (let i = 1; i <= kept; i++) give((here.at(-i) as Unit).index, (there.at(-i) as Unit).index);
    [s, m] = [nextSource + 1, nextMade + 1];
  }
  let end = 0;
  return spans.map((span): Span => {
    const start = Math.max(end, span?.[0] ?? end);
    end = Math.max(start, span?.[1] ?? start);
    return [start, end];
  });
}

/** What of the pieces may be found in the text: not marks at either end that are more than the text has of them. */
function unitsOf(pieces: readonly LocatedPiece[], text: string, prefix: Prefix): Unit[] {
  let [first, end] = [0, pieces.length];
  const isSpare = (piece: LocatedPiece | undefined) => {
    if (piece?.kind !== "mark") return false;
    const mark = piece.text.trim();
    if (mark === "") return false;
    const held = pieces.slice(first, end).filter((other) => other.text.trim() === mark).length;
    return held > text.split(mark).length - 1;
  };
  while (first < end && isSpare(pieces[first])) first++;
  while (first < end && isSpare(pieces[end - 1])) end--;
  return pieces.flatMap(({ text: own, kind }, index): Unit[] => {
    if (index < first || index >= end) return [];
    // Longer than any character's unit, so that it is like none.
    if (kind === "unknown") return [...(own.startsWith(" ") ? [" "] : []), "unknown"].map((unit) => ({ unit, index }));
    const put = prefix === "always" && pieces[index - 1]?.kind === "mark" && own.startsWith(" ");
    return [...(put ? own.slice(1) : own)].flatMap(folded).map((unit) => ({ unit, index }));
  });
}

/**
 * Gives each piece the characters that are its own, but for spaces, which would mislead where many were dropped. What stands
 * in place of something goes to it in equal parts; accents that nothing stands for go to what came before.
 * @returns the indices of units that are the same, or stand for one another, in pairs.
 */
function matches(
  source: readonly Unit[],
  made: readonly Unit[],
  give: (piece: number, start: number) => void,
): (readonly [number, number])[] {
  // Read only here: most texts are what their tokens say.
  const { diffArrays } = require("diff") as typeof import("diff");
  const visible = (side: readonly Unit[]) => [...side.keys()].filter((i) => !isSpace(side[i] as Unit));
  const [there, here] = [visible(source), visible(made)];
  const units = (side: readonly Unit[], places: readonly number[]) => places.map((i) => (side[i] as Unit).unit);
  const pairs: (readonly [number, number])[] = [];
  let [s, m, before] = [0, 0, -1];
  let dropped: number[] = [];
  let makers: number[] = [];
  const settle = () => {
    const owners = [...new Map(makers.map((i) => [(made[i] as Unit).index, i]))];
    dropped.forEach((place, i) => {
      const { unit, index } = source[place] as Unit;
      const owner = owners[Math.floor((i * owners.length) / dropped.length)];
      if (owner) {
        give(owner[0], index);
        pairs.push([place, owner[1]]);
      } else if (before >= 0 && /^\p{M}$/u.test(unit)) give(before, index);
    });
    [dropped, makers] = [[], []];
  };
  const changes = diffArrays(units(source, there), units(made, here), { maxEditLength: MOST_EDITS }) ?? [
    { removed: true, added: false, count: there.length },
    { removed: false, added: true, count: here.length },
  ];
  for (const { added, removed, count } of changes) {
    const [sources, pieces] = [there.slice(s, s + count), here.slice(m, m + count)];
    if (!added) s += count;
    if (!removed) m += count;
    if (removed) dropped = sources;
    else if (added) makers = pieces;
    else {
      settle();
      sources.forEach((place, i) => {
        before = (made[pieces[i] as number] as Unit).index;
        give(before, (source[place] as Unit).index);
        pairs.push([place, pieces[i] as number]);
      });
    }
  }
  settle();
  return pairs;
}

/** Texts that differ in more are not aligned: the time for it goes by the square. */
const MOST_EDITS = 5000;

const isSpace = ({ unit }: Unit): boolean => unit === " ";

const folded = (character: string): string[] => [
  ...character
    .normalize("NFKD")
    .toLowerCase()
    .replace(/^[\s▁]$/, " "),
];
