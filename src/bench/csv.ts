import { stringify } from "csv-stringify/sync";
import { type CheckedRow, isMeasured, type Report, type Row, type Summary } from "./schema.js";
import { figuresOf } from "./summary.js";

type Line = Record<string, string | number | undefined>;

/** A run's tables by file name; figures to the last digit, and only those that some row has. */
export function csvFiles(report: Report): Record<string, string> {
  const { rows, prompts, methods, byPrompt, byModel, agreement, agreementMeans, randomisation, randomisationMeans } =
    report;
  const name = (prompt: number | undefined) => (prompt === undefined ? undefined : prompts[prompt]?.name);
  return {
    "cells.csv": toCsv(rows.map((row) => cellLine(row, name(row.prompt)))),
    "methods.csv": toCsv(methods.map((summary) => summaryLine(summary))),
    "prompts.csv": toCsv(byPrompt.map((summary) => ({ name: name(summary.prompt), ...summaryLine(summary) }))),
    "models.csv": toCsv(byModel.map((summary) => summaryLine(summary))),
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
