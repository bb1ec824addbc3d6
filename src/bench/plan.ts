import { shuffle } from "simple-statistics";
import { uniform } from "../methods/draw.js";
import type { MethodName } from "../methods/index.js";
import type { Dtype } from "../models/contract.js";
import type { CellTask } from "./measure.js";
import { type Cell, type Check, type Report, type Stage, stageSchema } from "./schema.js";

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
  /** Each method is checked on copies of the model with random weights, on so many of the prompts, from the first on. */
  randomisedPrompts: number;
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

/** The checks of each method on a model with random weights, those of a stage together: each copy is made once. */
export function plannedChecks({ models, methods, tasks, randomisedPrompts }: BenchPlan): Check[] {
  const prompts = tasks.slice(0, randomisedPrompts);
  return models.flatMap((model) =>
    stageSchema.options.flatMap((stage: Stage) =>
      prompts.flatMap((_, prompt) => methods.map(({ label: method }) => ({ model, stage, prompt, method }))),
    ),
  );
}

export const checkKey = ({ model, method, prompt, stage }: Check): string =>
  JSON.stringify([model, method, prompt, stage]);

export const cellKey = ({ model, method, prompt, repeat }: Cell): string =>
  JSON.stringify([model, method, prompt, repeat]);
