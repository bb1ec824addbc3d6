import { pieces, width } from "./text.js";

/** A token in a line of a terminal. */
export interface Cell {
  text: string;
  /** Columns of the text: measured once, as each token stands in many lines. */
  wide: number;
  /** From −1 to 1; undefined for text that has no score. */
  score?: number;
  /** The text goes on in the next line. */
  breaks?: boolean;
}

/** Lines that an output's prefix may take; of a longer one the tokens with the largest scores are shown. */
const prefixLines = 3;

/** Shares of the largest size. */
export function scaled(scores: readonly number[]): number[] {
  const largest = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
  return scores.map((score) => (largest > 0 ? score / largest : 0));
}

/** All cells where `prefixLines` lines hold them, else those with the largest scores, an ellipsis for each run of others. */
export function fitted(cells: readonly Cell[], room: number): readonly Cell[] {
  if (wrap(cells, room).length <= prefixLines) return cells;
  const order = cells.map((_, i) => i).sort((a, b) => Math.abs(cells[b]?.score ?? 0) - Math.abs(cells[a]?.score ?? 0));
  // Tokens do not fill lines to the end: fewer of them until the lines are few enough.
  for (let space = prefixLines * room; ; space -= 2) {
    const kept = new Set<number>();
    let used = 0;
    for (const i of order) {
      used += (cells[i]?.wide ?? 0) + 1;
      if (used > space && kept.size > 0) break;
      kept.add(i);
    }
    const shown = cells.flatMap((cell, i) => {
      if (kept.has(i)) return [cell];
      return i === 0 || kept.has(i - 1) ? [{ text: "…", wide: 1 }] : [];
    });
    if (kept.size === 1 || wrap(shown, room).length <= prefixLines) return shown;
  }
}

/** Cells in lines of at most `room` columns. */
export function wrap(cells: readonly Cell[], room: number): Cell[][] {
  const lines: Cell[][] = [[]];
  let used = 0;
  for (const cell of cells) {
    const parts =
      cell.wide <= room ? [cell] : pieces(cell.text, room).map((text) => ({ ...cell, text, wide: width(text) }));
    for (const part of parts) {
      if (used > 0 && used + part.wide > room) {
        lines.push([]);
        used = 0;
      }
      lines.at(-1)?.push(part);
      used += part.wide;
    }
    if (cell.breaks) used = room + 1;
  }
  return lines;
}
