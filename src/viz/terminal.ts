import { Chalk, type ColorSupportLevel } from "chalk";
import type { Attribution } from "../result.js";
import { colourLevel, painter } from "./colour.js";
import { summary } from "./summary.js";
import { renderTable } from "./table.js";
import { figure, padEnd, padStart, paragraph, pieces, shorten, visible, width } from "./text.js";

/** A result as text for a stream: a heat map where it shows colours, else a table. */
export function render(
  result: Attribution,
  stream: NodeJS.WritableStream,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const level = colourLevel(stream, env);
  const columns =
    "columns" in stream && typeof stream.columns === "number" ? stream.columns : Number(env.COLUMNS) || 80;
  return level > 0 ? renderHeatMap(result, { columns, level }) : renderTable(result, { columns });
}

interface Cell {
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

/**
 * Tokens on the colour of their score: first the text, each prompt token by its mean over the outputs; then a line for
 * each output, with the tokens before it by what they counted for it. Each line has its own scale, as outputs differ by
 * orders of magnitude.
 * @param options.columns Width of the terminal.
 */
export function renderHeatMap(result: Attribution, options: { columns: number; level: ColorSupportLevel }): string {
  const columns = Math.max(24, options.columns);
  const { tokens, promptLength, outputs, tokenScores } = result;
  const chalk = new Chalk({ level: options.level });
  const signed = tokenScores.some((score) => score < 0);
  const paint = painter(options.level, signed);
  const scoreOf = (position: number, output: number) => tokenScores[position * outputs + output] ?? 0;
  const draw = (cells: readonly Cell[], room: number) =>
    wrap(cells, room).map((line) =>
      line.map(({ text, score }) => (score === undefined ? chalk.bold(text) : paint(text, score))).join(""),
    );

  const shown = tokens.map((token): Cell => {
    const text = visible(token.text);
    return { text, wide: width(text) };
  });
  const means = tokens.slice(0, promptLength).map((_, position) => {
    let sum = 0;
    for (let output = 0; output < outputs; output++) sum += scoreOf(position, output);
    return sum / outputs;
  });
  const shares = scaled(means);
  const text = shown.map((cell, position): Cell => {
    const score = shares[position];
    const breaks = tokens[position]?.text.endsWith("\n") ?? false;
    return { ...cell, breaks, ...(score === undefined ? {} : { score }) };
  });

  const [scoreName, stepScores] = Object.entries(result.stepScores)[0] ?? [];
  const names = shown.slice(promptLength).map(({ text }) => text.trim() || "␣");
  const room = Math.min(16, columns >> 2, Math.max(...names.map(width)));
  const figures = Array.from(stepScores ?? [], figure);
  const wide = Math.max(...figures.map(width));
  const lines = names.map((name, output) => {
    const label = [
      chalk.dim(padStart(String(output + 1), String(outputs).length)),
      chalk.bold(padEnd(shorten(name, room), room)),
      ...(stepScores ? [chalk.dim(padStart(figures[output] ?? "", wide))] : []),
    ].join(" ");
    const prefix = shown.slice(0, promptLength + output);
    const sizes = scaled(prefix.map((_, position) => scoreOf(position, output)));
    const indent = width(label) + 2;
    const cells = prefix.map((cell, position) => ({ ...cell, score: sizes[position] ?? 0 }));
    const drawn = draw(fitted(cells, columns - indent), columns - indent);
    return drawn.map((line, i) => (i === 0 ? `${label}  ${line}` : " ".repeat(indent) + line)).join("\n");
  });

  const shades = Math.min(24, columns - 5);
  const bar = Array.from({ length: shades }, (_, i) => i / (shades - 1))
    .map((share) => paint(" ", signed ? 2 * share - 1 : share))
    .join("");
  const heading = (words: string) => paragraph(words.split(" "), " ", columns).map((line) => chalk.underline(line));
  return [
    ...summary(result, columns),
    "",
    ...heading("Prompt, by its mean over the outputs, and output"),
    ...draw(text, columns),
    "",
    ...heading(`What each output leaned on${scoreName ? ` (${scoreName} beside it)` : ""}`),
    ...lines,
    "",
    `${signed ? "−1" : "0"} ${bar} 1`,
    ...paragraph("Share of each line's largest score.".split(" "), " ", columns),
  ].join("\n");
}

/** Shares of the largest size. */
function scaled(scores: readonly number[]): number[] {
  const largest = scores.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
  return scores.map((score) => (largest > 0 ? score / largest : 0));
}

/** All cells where `prefixLines` lines hold them, else those with the largest scores, an ellipsis for each run of others. */
function fitted(cells: readonly Cell[], room: number): readonly Cell[] {
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
function wrap(cells: readonly Cell[], room: number): Cell[][] {
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
