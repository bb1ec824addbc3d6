import { markdownTable } from "markdown-table";
import type { FailedRow, Report, Row, Summary } from "./schema.js";
import { isMeasured } from "./schema.js";
import type { FigureName } from "./summary.js";
import { machineLine } from "./system.js";

/** How a figure is written: three digits that count. */
export function significant(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return digits > 6 ? value.toExponential(2) : value.toFixed(digits);
}

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
export const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

interface Column {
  title: string;
  figure: FigureName;
  show(value: number): string;
}

/** What the tables of text and page show of each summary, where any has it. */
const columns: readonly Column[] = [
  { title: "tokens/s", figure: "attributeTokensPerSecond", show: significant },
  { title: "seconds", figure: "attributeSeconds", show: significant },
  { title: "CPU s", figure: "attributeCpuSeconds", show: significant },
  { title: "generated/s", figure: "generateTokensPerSecond", show: significant },
  { title: "peak", figure: "peakBytes", show: gibibytes },
  { title: "working", figure: "workingBytes", show: mebibytes },
  { title: "GPU memory", figure: "gpuBytes", show: gibibytes },
  { title: "GPU W", figure: "gpuWatts", show: significant },
  { title: "GFLOP/s", figure: "gflopsPerSecond", show: significant },
  { title: "of limit", figure: "shareOfLimit", show: percent },
  { title: "delta", figure: "convergenceDelta", show: significant },
  { title: "comprehensiveness", figure: "comprehensiveness", show: significant },
  { title: "random's", figure: "randomComprehensiveness", show: significant },
  { title: "sufficiency", figure: "sufficiency", show: significant },
  { title: "random's", figure: "randomSufficiency", show: significant },
  { title: "deletion", figure: "deletion", show: significant },
  { title: "random's", figure: "randomDeletion", show: significant },
  { title: "insertion", figure: "insertion", show: significant },
  { title: "random's", figure: "randomInsertion", show: significant },
];

/** Medians of each summary as text, the first line a head: for Markdown and for the page. */
export function summaryRows(summaries: readonly Summary[], named: (summary: Summary) => string[], head: string[]) {
  const shown = columns.filter(({ figure }) => summaries.some(({ figures }) => figures[figure]));
  const failed = summaries.some((summary) => summary.failed > 0);
  return [
    [...head, ...shown.map(({ title }) => title), ...(failed ? ["failed"] : [])],
    ...summaries.map((summary) => [
      ...named(summary),
      ...shown.map(({ figure, show }) => {
        const spread = summary.figures[figure];
        return spread ? show(spread.median) : "";
      }),
      ...(failed ? [summary.failed > 0 ? `${summary.failed} of ${summary.rows}` : ""] : []),
    ]),
  ];
}

/** Fastest first, in each model. */
export function byModelAndSpeed(summaries: readonly Summary[]): Summary[] {
  const speed = ({ figures }: Summary) => figures.attributeTokensPerSecond?.median ?? 0;
  return summaries.toSorted((a, b) => (a.model ?? "").localeCompare(b.model ?? "") || speed(b) - speed(a));
}

const SHOWN = 10;

/** A run for a terminal: each model and method, then each prompt, then what failed. */
export function summaryText(report: Report): string {
  const { system, prompts, rows, cells } = report;
  const methods = summaryRows(byModelAndSpeed(report.methods), (s) => [s.model ?? "", s.method ?? ""], [
    "model",
    "method",
  ]);
  const perPrompt = summaryRows(report.byPrompt, (s) => [prompts[s.prompt ?? 0]?.name ?? ""], ["prompt"]);
  const failures = rows.filter((row): row is FailedRow => !isMeasured(row));
  return [
    machineLine(system),
    rows.length < cells ? `${rows.length} of ${cells} cells; the run was stopped.` : `${cells} cells.`,
    "",
    aligned(methods, 2),
    "",
    aligned(perPrompt, 1),
    ...(failures.length > 0 ? ["", `${failures.length} of ${rows.length} cells failed:`] : []),
    ...failures.slice(0, SHOWN).map((row) => `  ${failureLine(row, report)}`),
    ...(failures.length > SHOWN ? [`  and ${failures.length - SHOWN} more, in errors.log`] : []),
  ].join("\n");
}

/** Names to the left, figures to the right. */
function aligned(rows: string[][], names: number): string {
  return markdownTable(rows, { align: rows[0]?.map((_, i) => (i < names ? "l" : "r")) ?? [] });
}

export function failureLine(row: FailedRow, { prompts }: Pick<Report, "prompts">): string {
  const { model, method, prompt, repeat, status, error } = row;
  const where = `${model} · ${method} · ${prompts[prompt]?.name ?? prompt} · repeat ${repeat}`;
  return `${where}: ${status}, ${error.message} (${error.code})`;
}

/** Every failure of a run, one on each line, with its hint. */
export function errorLog(rows: readonly Row[], report: Pick<Report, "prompts">): string {
  return rows
    .filter((row): row is FailedRow => !isMeasured(row))
    .map((row) => `${failureLine(row, report).replaceAll("\n", " ")}${row.error.hint ? ` ${row.error.hint}` : ""}\n`)
    .join("");
}
