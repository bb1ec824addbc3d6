import { createHash } from "node:crypto";
import { cpus } from "node:os";
import { group } from "d3-array";
import { takeFolder } from "../dataset/folder.js";
import { TokenlenseError } from "../errors.js";
import { packageVersion } from "../install/package.js";
import type { StartWorker } from "./isolated.js";
import { BenchJournal } from "./journal.js";
import { agreementOfMethods, likenessMeans } from "./likeness.js";
import { type BenchMethod, type BenchPlan, type BenchTask, orderedCells, plannedChecks } from "./plan.js";
import { answers } from "./questions.js";
import { fitGrowth } from "./scale.js";
import type { Cell, Check, Report, System } from "./schema.js";
import { summaries } from "./summary.js";
import { describeSystem } from "./system.js";

export interface BenchOptions {
  /** Where the journal is kept; made where there is none. */
  folder: string;
  /** Go on with the run that is in the folder. Default false. */
  resume?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Cells and checks that are through, of all of the run. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** The machine, where it has been described already. */
  system?: System | undefined;
  start?: StartWorker | undefined;
}

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
    const stopped = await measureAll(plan, journal, system, { ...options, signal: stop });
    return {
      report: await toReport(plan, decisive, journal, system, stopped === undefined),
      ...(stopped && { stopped }),
    };
  } finally {
    await journal?.close();
    await release();
  }
}

/** @returns the error that says so where it was stopped. */
async function measureAll(
  plan: BenchPlan,
  journal: BenchJournal,
  system: System,
  options: BenchOptions,
): Promise<TokenlenseError | undefined> {
  const cells = orderedCells(plan);
  const checks = plannedChecks(plan);
  let done = [...cells.filter((cell) => journal.has(cell)), ...checks.filter((check) => journal.hasCheck(check))]
    .length;
  const tell = (more: number) => {
    done += more;
    options.onProgress?.(done, cells.length + checks.length);
  };
  tell(0);
  try {
    await measureCells(plan, cells, journal, { ...options, system, tell });
    await makeChecks(plan, checks, journal, { ...options, system, tell });
    return undefined;
  } catch (error) {
    if (error instanceof TokenlenseError && error.code === "ERR_TOKENLENSE_CANCELLED") return error;
    throw error;
  }
}

interface Measuring extends Pick<BenchOptions, "folder" | "signal" | "start"> {
  system: System;
  tell(more: number): void;
}

async function measureCells(plan: BenchPlan, cells: readonly Cell[], journal: BenchJournal, options: Measuring) {
  const { folder, signal, start, tell } = options;
  for (const [model, all] of group(cells, (cell) => cell.model)) {
    const rest = all.filter((cell) => !journal.has(cell));
    const asked = answers<Cell, "cell">(rest, {
      ...{ signal, start, load: loadRequest(plan, model, options) },
      onLoad: (loaded) => journal.addModel(loaded),
      ask(cell, worker) {
        const { prompt, outputTokens } = taskOf(plan, cell);
        const { warmup, timeLimit } = plan;
        // A sweep is of one text cut short, which says nothing of faithfulness; repeats give the same scores.
        const assess = plan.kind === "matrix" && cell.repeat === 0 ? { folder } : undefined;
        const task = { prompt, outputTokens, ...methodOf(plan, cell) };
        const limit = timeLimit * (1 + warmup) + GRACE;
        return worker.ask("cell", { task, warmup, timeLimit, assess }, { signal, limit });
      },
    });
    for await (const { job, answer } of asked) {
      await journal.addRow({ ...job, ...answer });
      tell(1);
    }
  }
}

/** Once all cells are through: a copy takes the model's memory once more, which would be counted with theirs. */
async function makeChecks(plan: BenchPlan, checks: readonly Check[], journal: BenchJournal, options: Measuring) {
  const { signal, start, tell } = options;
  const results = new Map(
    journal.rows.flatMap((row) => {
      const file = journal.resultOf(row);
      return file === undefined ? [] : [[checkedBy(row), file]];
    }),
  );
  const layered = new Map(journal.models.map((model) => [model.model, model.layered]));
  for (const [, all] of group(checks, ({ model, stage }) => JSON.stringify([model, stage]))) {
    const [{ model, stage }] = all as [Check];
    const possible = stage === "all" || layered.get(model) ? all.filter((check) => results.has(checkedBy(check))) : [];
    if (possible.length < all.length) tell(all.length - possible.length);
    const rest = possible.filter((check) => !journal.hasCheck(check));
    const asked = answers<Check, "check">(rest, {
      ...{ signal, start, load: { ...loadRequest(plan, model, options), randomised: stage } },
      ask(check, worker) {
        const { timeLimit } = plan;
        const what = { ...methodOf(plan, check), file: results.get(checkedBy(check)) as string, timeLimit };
        return worker.ask("check", what, { signal, limit: timeLimit + GRACE });
      },
    });
    for await (const { job, answer } of asked) {
      await journal.addCheck({ ...job, ...answer });
      tell(1);
    }
  }
}

const checkedBy = ({ model, method, prompt }: Pick<Check, "model" | "method" | "prompt">): string =>
  JSON.stringify([model, method, prompt]);

function loadRequest({ device, dtype, memoryLimit }: BenchPlan, model: string, { system }: Measuring) {
  return { model, device, dtype, memoryLimit, gemmLimit: system.gemmLimit };
}

function taskOf({ tasks }: BenchPlan, { prompt }: Pick<Cell, "prompt">) {
  return tasks[prompt] as BenchTask;
}

function methodOf({ methods }: BenchPlan, cell: Pick<Cell, "method">) {
  const { name: method, options } = methods.find(({ label }) => label === cell.method) as BenchMethod;
  return { method, options };
}

/** What decides the rows. Limits do not: a run may go on with higher ones. */
function decisiveOptions(plan: BenchPlan) {
  const { models, methods, tasks, repeats, warmup, seed, randomisedPrompts, device, dtype } = plan;
  const prompts = tasks.map(({ prompt, outputTokens }) => [prompt, outputTokens]);
  return {
    model: models,
    method: methods.map(({ label }) => label),
    prompts: createHash("sha256").update(JSON.stringify(prompts)).digest("hex"),
    repeats,
    warmup,
    seed,
    randomisedPrompts,
    device,
    dtype: dtype ?? null,
    version: packageVersion(),
    processor: cpus()[0]?.model ?? "unknown",
  };
}

async function toReport(
  plan: BenchPlan,
  options: Report["options"],
  journal: BenchJournal,
  system: System,
  whole: boolean,
): Promise<Report> {
  const { rows, models, started, checks: randomisation } = journal;
  const agreement = await agreementOfMethods(rows, (row) => journal.resultOf(row));
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
    ...{ agreement, randomisation },
    ...likenessMeans({ agreement, randomisation }),
    ...(plan.kind === "scale" && { fits: fitGrowth(rows) }),
  };
}
