import { createHash } from "node:crypto";
import { cpus } from "node:os";
import { takeFolder } from "../dataset/folder.js";
import { TokenlenseError } from "../errors.js";
import { packageVersion } from "../install/package.js";
import { throwIfCancelled } from "../task.js";
import { Isolated, type Outcome, type StartWorker } from "./isolated.js";
import { BenchJournal } from "./journal.js";
import { type BenchPlan, orderedCells } from "./plan.js";
import { fitGrowth } from "./scale.js";
import type { Cell, FailedRow, Report, System } from "./schema.js";
import { summaries } from "./summary.js";
import { describeSystem } from "./system.js";

export interface BenchOptions {
  /** Where the journal is kept; made where there is none. */
  folder: string;
  /** Go on with the run that is in the folder. Default false. */
  resume?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Cells that are through, of all of the run. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** The machine, where it has been described already. */
  system?: System | undefined;
  start?: StartWorker | undefined;
}

/** Crashes in succession after which a model is given up. */
const MOST_CRASHES = 3;
/** Seconds that a process has beyond its cell's limit to say that it was too slow. */
const GRACE = 10;
const TEXT_LENGTH = 300;

/**
 * Measures every cell of a plan. A model that crashes, or takes more than its limits, costs its own cells only. Rows are on
 * the disk as soon as they are measured.
 *
 * @returns the report, and where `signal` fired the error that says so: the report then has the rows that there are.
 * @throws ERR_TOKENLENSE_DISK where the folder cannot be used, ERR_TOKENLENSE_INPUT where it holds another run, _FORMAT.
 */
export async function runBench(
  plan: BenchPlan,
  options: BenchOptions,
): Promise<{ report: Report; stopped?: TokenlenseError }> {
  const { folder, resume = false, signal, start } = options;
  const lost = new AbortController();
  const release = await takeFolder(folder, (error) => lost.abort(error));
  const stop = AbortSignal.any(signal ? [signal, lost.signal] : [lost.signal]);
  let journal: BenchJournal | undefined;
  try {
    const decisive = decisiveOptions(plan);
    journal = await BenchJournal.open(folder, decisive, resume);
    const known = journal.system ?? options.system;
    const system = known ?? (await describeSystem(stop, start));
    if (!journal.system) await journal.addSystem(system);
    const stopped = await measureCells(plan, journal, system, { ...options, signal: stop });
    return {
      report: toReport(plan, decisive, journal, system, stopped === undefined),
      ...(stopped && { stopped }),
    };
  } finally {
    await journal?.close();
    await release();
  }
}

async function measureCells(
  plan: BenchPlan,
  journal: BenchJournal,
  system: System,
  options: BenchOptions,
): Promise<TokenlenseError | undefined> {
  const cells = orderedCells(plan);
  let done = cells.filter((cell) => journal.has(cell)).length;
  const tell = () => options.onProgress?.(done, cells.length);
  tell();
  try {
    for (const model of new Set(cells.map((cell) => cell.model))) {
      const rest = cells.filter((cell) => cell.model === model && !journal.has(cell));
      for await (const row of modelRows(plan, rest, journal, system, options)) {
        await journal.addRow(row);
        done++;
        tell();
      }
    }
    return undefined;
  } catch (error) {
    if (error instanceof TokenlenseError && error.code === "ERR_TOKENLENSE_CANCELLED") return error;
    throw error;
  }
}

type AddedRow = Parameters<BenchJournal["addRow"]>[0];

/** The rows of one model's cells, from a process of its own, and from another where that has ended. */
async function* modelRows(
  plan: BenchPlan,
  cells: readonly Cell[],
  journal: BenchJournal,
  system: System,
  { signal, start }: BenchOptions,
): AsyncGenerator<AddedRow, void, undefined> {
  let worker: Isolated | undefined;
  let crashes = 0;
  let hopeless: Pick<FailedRow, "status" | "error"> | undefined;
  try {
    for (const cell of cells) {
      throwIfCancelled(signal);
      if (!hopeless && (!worker || worker.ended)) {
        worker?.[Symbol.dispose]();
        worker = new Isolated(start);
        const { device, dtype, memoryLimit } = plan;
        const what = { model: cell.model, device, dtype, memoryLimit, gemmLimit: system.gemmLimit };
        const loaded = await worker.ask("load", what, { signal });
        if (loaded.status === "ok") await journal.addModel(loaded.value);
        else hopeless = failure(loaded, "while it was loaded");
      }
      if (hopeless || !worker) {
        yield { ...cell, ...(hopeless as Pick<FailedRow, "status" | "error">) };
        continue;
      }
      const outcome = await askCell(plan, cell, worker, signal);
      if (outcome.status === "ok") {
        crashes = 0;
        yield { ...cell, status: "ok", ...outcome.value };
        continue;
      }
      if (outcome.status === "crashed" && ++crashes === MOST_CRASHES)
        hopeless = failure(outcome, `${MOST_CRASHES} times in succession; the model was given up`);
      yield { ...cell, ...failure(outcome) };
    }
  } finally {
    worker?.[Symbol.dispose]();
  }
}

function askCell(plan: BenchPlan, cell: Cell, worker: Isolated, signal: AbortSignal | undefined) {
  const { tasks, methods, warmup, timeLimit } = plan;
  const method = methods.find(({ label }) => label === cell.method);
  const task = tasks[cell.prompt];
  if (!method || !task) throw new Error("a cell is not of its plan");
  const { prompt, outputTokens } = task;
  const what = {
    task: { prompt, outputTokens, method: method.name, options: method.options },
    warmup,
    timeLimit,
    assess: cell.repeat === 0, // repeats give the same scores
  };
  return worker.ask("cell", what, { signal, limit: timeLimit * (1 + warmup) + GRACE });
}

function failure(
  outcome: Exclude<Outcome<"load" | "cell">, { status: "ok" }>,
  when?: string,
): Pick<FailedRow, "status" | "error"> {
  const { code, message, hint } = outcome.error;
  const error = { code, message: when ? `${message} (${when})` : message, ...(hint !== undefined && { hint }) };
  return { status: outcome.status, error };
}

/** What decides the rows. Limits do not: a run may go on with higher ones. */
function decisiveOptions({ models, methods, tasks, repeats, warmup, seed, device, dtype }: BenchPlan) {
  const prompts = tasks.map(({ prompt, outputTokens }) => [prompt, outputTokens]);
  return {
    model: models,
    method: methods.map(({ label }) => label),
    prompts: createHash("sha256").update(JSON.stringify(prompts)).digest("hex"),
    repeats,
    warmup,
    seed,
    device,
    dtype: dtype ?? null,
    version: packageVersion(),
    processor: cpus()[0]?.model ?? "unknown",
  };
}

function toReport(
  plan: BenchPlan,
  options: Report["options"],
  journal: BenchJournal,
  system: System,
  whole: boolean,
): Report {
  const { rows, models, started } = journal;
  return {
    version: 1,
    kind: plan.kind,
    started,
    ended: whole ? new Date().toISOString() : null,
    options,
    system,
    prompts: plan.tasks.map(({ name, text, outputTokens }, index) => ({
      index,
      name,
      text: text.slice(0, TEXT_LENGTH),
      outputTokens,
    })),
    models,
    cells: orderedCells(plan).length,
    rows,
    ...summaries(rows),
    ...(plan.kind === "scale" && { fits: fitGrowth(rows) }),
  };
}
