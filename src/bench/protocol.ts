import type { TokenlenseError } from "../errors.js";
import type { GemmMeasurement } from "../install/gemm.js";
import type { Dtype } from "../models/contract.js";
import type { NativeInfo } from "../native.js";
import type { CellTask } from "./measure.js";
import type { Likeness, LoadedModel, Metrics, Stage } from "./schema.js";

// What the runner and a model's process say to each other, one answer for each question.

export interface Requests {
  /** What libtorch says of itself and of the machine. */
  engine: undefined;
  load: {
    model: string;
    device: string;
    dtype?: Dtype | undefined;
    /** Bytes of resident memory, beyond which the process says so and ends. */
    memoryLimit?: number | undefined;
    gemmLimit: number;
    /** Take a copy with weights in random order in its place. */
    randomised?: Stage | undefined;
  };
  /**
   * `timeLimit` in seconds, of each run; `warmup` runs come before the first of a method; `assess`: say how faithful the
   * result is, too, and store it in this folder.
   */
  cell: { task: CellTask; warmup: number; timeLimit: number; assess?: { folder: string } | undefined };
  /** How like a stored result the method's scores of the same outputs are. */
  check: Pick<CellTask, "method" | "options"> & { file: string; timeLimit: number };
}

export interface Answers {
  engine: { info: NativeInfo; gemm: GemmMeasurement[] };
  load: LoadedModel;
  cell: Metrics;
  check: Likeness;
}

export type Question = keyof Requests;
export type Asked = { [Name in Question]: { ask: Name; what: Requests[Name] } }[Question];

export type Failure = Pick<TokenlenseError, "code" | "message" | "hint">;
export type Answered =
  | { status: "ok"; value: Answers[Question] }
  | { status: "error" | "timeout"; error: Failure }
  /** No answer follows: the process ends. */
  | { status: "memory"; bytes: number };

/** What is said of a cell that took more than so many seconds. */
export const tooSlow = (limit: number): Failure => ({
  code: "ERR_TOKENLENSE_CANCELLED",
  message: `It was not through after ${limit} seconds.`,
  hint: "Raise --time-limit, or take shorter prompts.",
});
