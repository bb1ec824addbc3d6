import type { Attribution } from "../result.js";
import { summary } from "./summary.js";
import { figure, padEnd, padStart, shorten, visible, width } from "./text.js";

const gap = "  ";
const corner = "token \\ output";

/**
 * A plain table, without escapes: a row for each token, a column for each output, in blocks where the columns are more
 * than fit; step scores below. Cells of tokens that do not come before the output are empty. "␣" is a space.
 */
export function renderTable(result: Attribution, options: { columns: number }): string {
  const { tokens, promptLength, outputs, tokenScores } = result;
  const names = tokens.map(({ text }) => visible(text).replaceAll(" ", "␣"));
  const rows = [
    ...names.map((name, position) => ({
      name: `${position} ${name}`,
      cell: (output: number) =>
        position < promptLength + output ? figure(tokenScores[position * outputs + output] ?? 0) : "",
    })),
    ...Object.entries(result.stepScores).map(([name, values]) => ({
      name: `(${name})`,
      cell: (output: number) => figure(values[output] ?? 0),
    })),
  ];
  const headings = names.slice(promptLength).map((name, output) => `${promptLength + output} ${name}`);
  const first = Math.min(28, Math.max(width(corner), ...rows.map((row) => width(row.name))));
  const widths = headings.map((heading, output) =>
    Math.max(Math.min(14, width(heading)), ...rows.map((row) => width(row.cell(output)))),
  );

  const blocks: string[] = [];
  for (let from = 0; from < outputs; ) {
    let [to, used] = [from, first];
    while (to < outputs && (to === from || used + gap.length + (widths[to] ?? 0) <= options.columns))
      used += gap.length + (widths[to++] ?? 0);
    const shown = widths.slice(from, to);
    const line = (name: string, cells: readonly string[]) =>
      [padEnd(shorten(name, first), first), ...shown.map((wide, i) => padStart(shorten(cells[i] ?? "", wide), wide))]
        .join(gap)
        .trimEnd();
    // Later tokens have nothing to say in this block.
    const last = promptLength + to - 1;
    const body = rows.filter((_, position) => position < last || position >= tokens.length);
    blocks.push(
      [
        line(corner, headings.slice(from, to)),
        "-".repeat(shown.reduce((sum, wide) => sum + gap.length + wide, first)),
        ...body.map((row) =>
          line(
            row.name,
            shown.map((_, i) => row.cell(from + i)),
          ),
        ),
      ].join("\n"),
    );
    from = to;
  }
  return [summary(result, options.columns).join("\n"), ...blocks].join("\n\n");
}
