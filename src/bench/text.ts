import { markdownTable } from "markdown-table";
import { CHANCE, chanceRows } from "./chance.js";
import { AGREEMENT, agreementTables, RANDOMISATION, randomisationRows } from "./likeness-text.js";
import { machineLine } from "./machine.js";
import { gibibytes, mebibytes, percent, significant } from "./numbers.js";
import { type CheckedRow, isMeasured, type Report, type Row, type Summary } from "./schema.js";
import type { FigureName } from "./summary.js";

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
  const { system, prompts, rows, cells, randomisation } = report;
  const methods = summaryRows(byModelAndSpeed(report.methods), (s) => [s.model ?? "", s.method ?? ""], [
    "model",
    "method",
  ]);
  const perPrompt = summaryRows(report.byPrompt, (s) => [prompts[s.prompt ?? 0]?.name ?? ""], ["prompt"]);
  const failures = failuresOf(report);
  const count = rows.length < cells ? `${rows.length} of ${cells} cells` : `${cells} cells`;
  return [
    machineLine(system),
    report.ended === null ? `${count}; the run was stopped.` : `${count}.`,
    "",
    aligned(methods, 2),
    "",
    aligned(perPrompt, 1),
    ...(report.faithfulness.length > 0 ? ["", CHANCE, "", aligned(chanceRows(report), 2)] : []),
    ...agreementTables(report).flatMap(({ model, rows: table }) => [
      "",
      `${model}. ${AGREEMENT}`,
      "",
      aligned(table, 1),
    ]),
    ...(report.randomisationMeans.length > 0 ? ["", RANDOMISATION, "", aligned(randomisationRows(report), 2)] : []),
    ...(failures.length > 0
      ? ["", `${[...failedOf(rows, "cells"), ...failedOf(randomisation, "checks")].join(" and ")} failed:`]
      : []),
    ...failures.slice(0, SHOWN).map((failure) => `  ${failureLine(failure, report)}`),
    ...(failures.length > SHOWN ? [`  and ${failures.length - SHOWN} more, in errors.log`] : []),
  ].join("\n");
}

/** Names to the left, figures to the right. */
function aligned(rows: string[][], names: number): string {
  return markdownTable(rows, { align: rows[0]?.map((_, i) => (i < names ? "l" : "r")) ?? [] });
}

function failedOf(rows: readonly { status: string }[], what: string): string[] {
  const failed = rows.filter((row) => !isMeasured(row)).length;
  return failed > 0 ? [`${failed} of ${rows.length} ${what}`] : [];
}

type Failure = Exclude<Row | CheckedRow, { status: "ok" }>;

/** Cells and checks that came to nothing. */
export function failuresOf({ rows, randomisation }: Pick<Report, "rows" | "randomisation">): Failure[] {
  return [...rows, ...randomisation].filter((row): row is Failure => !isMeasured(row));
}

export function failureLine(failure: Failure, { prompts }: Pick<Report, "prompts">): string {
  const { model, method, prompt, status, error } = failure;
  const which = "stage" in failure ? `random weights, ${failure.stage}` : `repeat ${failure.repeat}`;
  const where = `${model} · ${method} · ${prompts[prompt]?.name ?? prompt} · ${which}`;
  return `${where}: ${status}, ${error.message} (${error.code})`;
}

/** Every failure of a run, one on each line, with its hint. */
export function errorLog(report: Report): string {
  return failuresOf(report)
    .map((one) => `${failureLine(one, report).replaceAll("\n", " ")}${one.error.hint ? ` ${one.error.hint}` : ""}\n`)
    .join("");
}
