import { stringify } from "csv-stringify/sync";
import { type CheckedRow, isMeasured, type Report, type Row, type Summary } from "./schema.js";
import { figuresOf } from "./summary.js";

type Line = Record<string, string | number | undefined>;

/** A run's tables by file name; figures to the last digit, and only those that some row has. */
export function csvFiles(report: Report): Record<string, string> {
  const { rows, prompts, methods, byPrompt, byModel, faithfulness } = report;
  const { agreement, agreementMeans, randomisation, randomisationMeans } = report;
  const name = (prompt: number | undefined) => (prompt === undefined ? undefined : prompts[prompt]?.name);
  return {
    "cells.csv": toCsv(rows.map((row) => cellLine(row, name(row.prompt)))),
    "methods.csv": toCsv(methods.map((summary) => summaryLine(summary))),
    "prompts.csv": toCsv(byPrompt.map((summary) => ({ name: name(summary.prompt), ...summaryLine(summary) }))),
    "models.csv": toCsv(byModel.map((summary) => summaryLine(summary))),
    ...(faithfulness.length > 0 && {
      "faithfulness.csv": toCsv(faithfulness.map(estimatesLine)),
      "curves.csv": toCsv(rows.flatMap((row) => curveLines(row, name(row.prompt)))),
    }),
    ...(agreement.length > 0 && {
      "agreement.csv": toCsv(agreement.map((pair) => ({ ...pair, name: name(pair.prompt) }))),
      "agreement-means.csv": toCsv(agreementMeans),
    }),
    ...(randomisation.length > 0 && {
      "randomisation.csv": toCsv(randomisation.map((check) => ({ ...checkLine(check), name: name(check.prompt) }))),
      "randomisation-means.csv": toCsv(randomisationMeans),
    }),
  };
}

function cellLine(row: Row, promptName: string | undefined): Line {
  const { model, method, prompt, repeat, status } = row;
  const cell = { model, method, prompt, name: promptName, repeat, status };
  return isMeasured(row) ? { ...cell, ...figuresOf(row), result: row.result } : { ...cell, error: row.error.code };
}

/** A line for each point of a row's curves. */
function curveLines(row: Row, promptName: string | undefined): Line[] {
  const { points = [], ...curves } = (isMeasured(row) && row.faithfulness?.curves) || {};
  const { model, method, prompt } = row;
  return points.map((point, i) => {
    const values = Object.entries(curves).map(([name, curve]) => [name, curve[i]]);
    return { model, method, prompt, name: promptName, point, ...(Object.fromEntries(values) as Line) };
  });
}

function estimatesLine({ model, method, prompts, ...estimates }: Report["faithfulness"][number]): Line {
  const cells = Object.entries(estimates).flatMap(([name, { attribution, random, difference, interval }]) => [
    [name, attribution],
    [`${name}Random`, random],
    [`${name}Difference`, difference],
    [`${name}Low`, interval?.[0]],
    [`${name}High`, interval?.[1]],
  ]);
  return { model, method, prompts, ...(Object.fromEntries(cells) as Line) };
}

function checkLine(row: CheckedRow): Line {
  if (isMeasured(row)) return row;
  const { error, ...check } = row;
  return { ...check, error: error.code };
}

function summaryLine({ figures, ...rest }: Summary): Line {
  const spreads = Object.entries(figures).flatMap(([name, { median, least, most }]) => [
    [name, median],
    [`${name}Least`, least],
    [`${name}Most`, most],
  ]);
  return { ...rest, ...(Object.fromEntries(spreads) as Line) };
}

function toCsv(lines: readonly Line[]): string {
  const used = lines.flatMap((line) => Object.keys(line).filter((name) => line[name] !== undefined));
  return stringify([...lines], { header: true, columns: [...new Set(used)] });
}
