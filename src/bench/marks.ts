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
  /** Comprehensiveness beyond that of random tokens. */
  beyond?: number;
}

/** @param run What it is called. */
export const marksOf = ({ rows }: Pick<Report, "rows">, run: string): Mark[] =>
  rows.flatMap((row) => (row.status === "ok" ? [mark(row, run)] : []));

function mark(row: MeasuredRow, run: string): Mark {
  const { model, method, promptTokens, outputTokens, attributeSeconds: seconds, faithfulness } = row;
  return {
    ...{ run, method, seconds },
    model: shortName(model),
    length: promptTokens + outputTokens,
    perToken: (1000 * seconds) / outputTokens,
    peak: row.peakBytes / 2 ** 30,
    working: row.workingBytes / 2 ** 30,
    ...(faithfulness && { beyond: faithfulness.comprehensiveness - faithfulness.random.comprehensiveness }),
  };
}

/** Marks that have the figure. */
export function having<Key extends keyof Mark>(marks: readonly Mark[], key: Key) {
  return marks.filter((mark): mark is Mark & Required<Pick<Mark, Key>> => mark[key] !== undefined);
}
