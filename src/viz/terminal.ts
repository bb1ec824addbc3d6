import { Chalk, type ColorSupportLevel } from "chalk";
import type { Attribution } from "../result.js";
import { type Cell, fitted, scaled, wrap } from "./cells.js";
import { colourLevel, columnsOf, painter } from "./colour.js";
import { summary } from "./summary.js";
import { renderTable } from "./table.js";
import { figure, padEnd, padStart, paragraph, shorten, visible, width } from "./text.js";

/** A result as text for a stream: a heat map where it shows colours, else a table. */
export function render(
  result: Attribution,
  stream: NodeJS.WritableStream,
  env: NodeJS.ProcessEnv = process.env,
): string {
  const level = colourLevel(stream, env);
  const columns = columnsOf(stream, env);
  return level > 0 ? renderHeatMap(result, { columns, level }) : renderTable(result, { columns });
}

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
