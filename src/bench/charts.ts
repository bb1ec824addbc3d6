import { faithfulness, scaling } from "./curve-charts.js";
import type { Chart } from "./drawing.js";
import { agreementChart, randomisationChart } from "./likeness-charts.js";
import { machineLine } from "./machine.js";
import { faithfulMarksOf, having, type Mark, marksOf } from "./marks.js";
import { hardware, memory, rates, timePerToken } from "./method-charts.js";
import type { Report } from "./schema.js";
import { tokenCurves } from "./token-curves.js";

/**
 * The pictures of a run, or of several side by side; those that there are figures for.
 * @param others Times that no report has, of runs with names of their own.
 */
export function charts(reports: readonly Report[], others: readonly Mark[] = []): Chart[] {
  const names = runNames(reports);
  const marks = [...reports.flatMap((report, i) => marksOf(report, names[i] ?? "")), ...others];
  if (marks.length === 0) return [];
  const runs = [...new Set(marks.map(({ run }) => run))];
  const several = runs.length > 1;
  const long = having(marks, "length");
  const faithful = reports.flatMap((report, i) => faithfulMarksOf(report, names[i] ?? ""));
  const resident = having(marks, "peak");
  return [
    ...(several ? [hardware(marks)] : []),
    timePerToken(marks, several),
    rates(marks, several),
    ...(new Set(long.map(({ length }) => length)).size > 1 ? [scaling(long, several)] : []),
    ...(faithful.length > 0 ? [faithfulness(faithful, several)] : []),
    ...tokenCurves(reports, names),
    ...agreementChart(reports, names),
    ...randomisationChart(reports, names),
    ...(resident.length > 0 ? [memory(resident, several)] : []),
  ];
}

/** What tells runs apart: their number, and the machine. */
export const runNames = (reports: readonly Report[]): string[] =>
  reports.map(({ system }, i) => `${i + 1}: ${machineLine(system).split(";")[0]}`);
