import { Chalk, type ChalkInstance, type ColorSupportLevel } from "chalk";
import type { Attribution } from "../result.js";
import { agreementTexts, compareViews, correlationText, largest, type PairAgreement } from "./agreement.js";
import { align } from "./alignment.js";
import { type Cell, fitted, scaled, wrap } from "./cells.js";
import { painter } from "./colour.js";
import { letterOf } from "./letter.js";
import { summary } from "./summary.js";
import { figure, padEnd, padStart, paragraph, visible, width } from "./text.js";
import { type View, viewOf } from "./view.js";

/**
 * Results side by side for a terminal: what each is, how far they agree, and for each output what it leaned on in each:
 * its tokens by colour, or without colours those with the largest scores.
 * @param options.columns Width of the terminal.
 */
export function renderComparison(
  results: readonly Attribution[],
  options: { columns: number; level: ColorSupportLevel; topK?: number | undefined },
): string {
  const columns = Math.max(24, options.columns);
  const chalk = new Chalk({ level: options.level });
  const views = results.map((result) => viewOf(result.toJSON()));
  const pairs = compareViews(views, options.topK);
  const heads = results.flatMap((result, i) =>
    summary(result, columns - 3).map((line, row) => `${row === 0 ? chalk.bold(letterOf(i)) : " "}  ${line}`),
  );
  const pair = pairs.length === 1 ? pairs[0] : undefined;
  const blocks = rowsOf(views).map((row) => {
    const [first, output] = row[0] as readonly [number, number];
    const view = views[first] as View;
    const name = visible(view.texts[view.promptLength + output] as string);
    const spearman = pair?.outputs.find(({ outputs }) => first === 0 && outputs[0] === output)?.spearman;
    const beside = spearman === undefined ? "" : chalk.dim(`  Spearman ${correlationText(spearman)}`);
    const lines = row.flatMap(([result, place]) => {
      const drawn = prefixLines(views[result] as View, place, columns - 5, options.level, chalk);
      return drawn.map((line, i) => `  ${i === 0 ? chalk.bold(letterOf(result)) : " "}  ${line}`);
    });
    return [`${chalk.dim(String(output + 1))} ${chalk.bold(name.trim() || "␣")}${beside}`, ...lines].join("\n");
  });
  const note = "Means over the outputs and tokens that both have.";
  return [
    heads.join("\n"),
    [...agreementTable(pairs), ...paragraph(note.split(" "), " ", columns)].join("\n"),
    blocks.join("\n"),
  ].join("\n\n");
}

/** Outputs that belong together, each as [result, output]: those of the first result, then what only later ones have. */
function rowsOf(views: readonly View[]): (readonly [result: number, output: number])[][] {
  const rows: (readonly [number, number])[][] = [];
  const seen = views.map(() => new Set<number>());
  views.forEach((view, first) => {
    const later = views.map((other, i) => (i > first ? align(view, other) : undefined));
    for (let output = 0; output < view.outputs; output++) {
      if (seen[first]?.has(output)) continue;
      const row: (readonly [number, number])[] = [[first, output]];
      later.forEach((places, i) => {
        const place = (places?.[view.promptLength + output] ?? -1) - (views[i] as View).promptLength;
        if (place < 0 || seen[i]?.has(place)) return;
        seen[i]?.add(place);
        row.push([i, place]);
      });
      rows.push(row);
    }
  });
  return rows;
}

function prefixLines(
  view: View,
  output: number,
  room: number,
  level: ColorSupportLevel,
  chalk: ChalkInstance,
): string[] {
  const { texts, promptLength, outputs } = view;
  const scores = Array.from(
    { length: promptLength + output },
    (_, position) => view.scores[position * outputs + output] as number,
  );
  const name = (position: number) => visible(texts[position] as string);
  if (level === 0) {
    const top = largest(scores, 5).map((place) => `${name(place).trim() || "␣"} ${figure(scores[place] as number)}`);
    return paragraph(top.length > 0 ? top : ["nothing"], " · ", room);
  }
  const paint = painter(
    level,
    view.scores.some((score) => score < 0),
  );
  const shares = scaled(scores);
  const cells = shares.map((score, position): Cell => {
    const text = name(position);
    return { text, wide: width(text), score };
  });
  return wrap(fitted(cells, room), room).map((line) =>
    line.map(({ text, score }) => (score === undefined ? chalk.dim(text) : paint(text, score))).join(""),
  );
}

function agreementTable(pairs: readonly PairAgreement[]): string[] {
  const heading = ["", "outputs", "Pearson", "Spearman", `top ${pairs[0]?.topK} in common`];
  const rows = pairs.map((pair) => {
    const [a, b] = pair.results;
    return [`${letterOf(a)} and ${letterOf(b)}`, ...agreementTexts(pair)];
  });
  const widths = heading.map((name, column) => Math.max(...[name, ...rows.map((row) => row[column] ?? "")].map(width)));
  return [heading, ...rows].map((row) =>
    row
      .map((text, column) => (column === 0 ? padEnd(text, widths[0] ?? 0) : padStart(text, widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
