import { shuffle } from "simple-statistics";
import { uniform } from "../methods/draw.js";
import type { MethodName } from "../methods/index.js";
import type { Dtype } from "../models/contract.js";
import type { CellTask } from "./measure.js";
import type { Cell, Report } from "./schema.js";

/** A method with options of its own, under the name that the tables give it. */
export interface BenchMethod {
  label: string;
  name: MethodName;
  options: Record<string, unknown>;
}

export interface BenchTask extends Pick<CellTask, "prompt" | "outputTokens"> {
  name: string;
  /** For the report: the prompt, or what it is. */
  text: string;
}

/** All that a run is to measure: every model with every method and every prompt, `repeats` times. */
export interface BenchPlan {
  kind: Report["kind"];
  models: readonly string[];
  methods: readonly BenchMethod[];
  tasks: readonly BenchTask[];
  repeats: number;
  /** Runs before the first that counts, of each method in each process. */
  warmup: number;
  /** Of the order. */
  seed: number;
  device: string;
  dtype?: Dtype | undefined;
  /** Seconds that a cell may take. */
  timeLimit: number;
  /** Bytes of resident memory that a model's process may take; undefined: no limit. */
  memoryLimit?: number | undefined;
}

/**
 * The cells in random order, so that a machine that grows hot or busy puts no method at a disadvantage. A model's cells stay
 * together, since each model is loaded once.
 */
export function orderedCells({ models, methods, tasks, repeats, seed }: BenchPlan): Cell[] {
  const random = uniform(seed);
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  return shuffle([...models], random).flatMap((model) =>
    shuffle(
      methods.flatMap(({ label: method }) =>
        tasks.flatMap((_, prompt) => numbers(repeats).map((repeat) => ({ model, method, prompt, repeat }))),
      ),
      random,
    ),
  );
}

export const cellKey = ({ model, method, prompt, repeat }: Cell): string =>
  JSON.stringify([model, method, prompt, repeat]);
