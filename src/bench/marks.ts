import { median } from "simple-statistics";
import { shortName } from "./drawing.js";
import type { MeasuredRow, Report } from "./schema.js";

/** An attribution that was timed, as pictures take it. */
export interface Mark {
  run: string;
  model: string;
  method: string;
  seconds: number;
  /** Milliseconds for an output. */
  perToken: number;
  /** Tokens of prompt and outputs. */
  length?: number;
  /** GiB. */
  peak?: number;
  working?: number;
}

/** A method's means: how much faster and how much more faithful than chance it is. */
export interface FaithfulMark extends Omit<Mark, "seconds"> {
  /** Comprehensiveness beyond that of random tokens, with its 95 % interval. */
  beyond: number;
  interval: readonly number[];
}

/** @param run What it is called. */
export const marksOf = ({ rows }: Pick<Report, "rows">, run: string): Mark[] =>
  rows.flatMap((row) => (row.status === "ok" ? [mark(row, run)] : []));

function mark(row: MeasuredRow, run: string): Mark {
  const { model, method, promptTokens, outputTokens, attributeSeconds: seconds } = row;
  return {
    ...{ run, method, seconds },
    model: shortName(model),
    length: promptTokens + outputTokens,
    perToken: (1000 * seconds) / outputTokens,
    peak: row.peakBytes / 2 ** 30,
    working: row.workingBytes / 2 ** 30,
  };
}

/** Its time is the median of its rows. @param run What the report is called. */
export function faithfulMarksOf({ rows, faithfulness }: Report, run: string): FaithfulMark[] {
  const marks = marksOf({ rows }, run);
  return faithfulness.map(({ model, method, comprehensiveness: { difference, interval = [] } }) => {
    const own = marks.filter((one) => one.model === shortName(model) && one.method === method);
    const perToken = median(own.map((one) => one.perToken));
    return { run, model: shortName(model), method, perToken, beyond: difference, interval };
  });
}

/** Marks that have the figure. */
export function having<Key extends keyof Mark>(marks: readonly Mark[], key: Key) {
  return marks.filter((mark): mark is Mark & Required<Pick<Mark, Key>> => mark[key] !== undefined);
}
