import { randomInt } from "node:crypto";
import { basename, extname, join } from "node:path";
import { checkShared } from "../attribute-many.js";
import { type Dataset, type DatasetPrompt, openDataset } from "../dataset/dataset.js";
import { takeFolder } from "../dataset/folder.js";
import { Journal } from "../dataset/journal.js";
import { type Manifest, readManifest, requireSame, writeManifest } from "../dataset/manifest.js";
import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import { packageVersion } from "../install/package.js";
import { resolveChoice } from "../methods/choice.js";
import { sha256 } from "../models/digest.js";
import type { Model } from "../models/model.js";
import type { Attribution } from "../result.js";
import { fileStem } from "../storage/files.js";
import { save } from "../storage/results.js";
import { throwIfCancelled } from "../task.js";
import { type Asked, attributeTogether, TOGETHER } from "../together/together.js";
import { choiceOf, type MethodFlags } from "./attribute.js";
import { exitCodes } from "./failure.js";
import type { Progress } from "./progress.js";
import { interruptible, type ModelFlags, openModel } from "./session.js";

export interface DatasetFlags extends ModelFlags, MethodFlags {
  column?: string;
  systemColumn?: string;
  targetColumn?: string;
  contrastColumn?: string;
  limit?: number;
  output?: string;
  resume: boolean;
}

/** A run's prompts and folder, and how the user follows and stops it. */
interface Run {
  dataset: Dataset;
  prompts: number;
  folder: string;
  signal: AbortSignal;
  progress: Progress;
}

type Summary = ReturnType<Journal["summary"]>;

/** `tokenlense attribute-dataset`: attributes and stores prompt after prompt; exit code 1 where some failed. */
export async function attributeDatasetCommand(file: string, flags: DatasetFlags): Promise<void> {
  resolveChoice({ ...choiceOf(flags), contrast: flags.contrastColumn });
  const folder = flags.output ?? join("results", basename(file, extname(file)));
  const [prompts, summary] = await interruptible(async (signal, progress) => {
    const dataset = await openDataset(file, flags);
    if (flags.system !== undefined && !flags.chat && dataset.columns.system === undefined)
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        "--system: only chat prompts have a system message; add --chat.",
      );
    const prompts = await countPrompts(dataset, flags.limit, signal, progress);
    const lost = new AbortController();
    const release = await takeFolder(folder, (error) => lost.abort(error));
    try {
      const stop = AbortSignal.any([signal, lost.signal]);
      return [prompts, await runAlone({ dataset, prompts, folder, signal: stop, progress }, flags)];
    } catch (error) {
      throw stopped(error, folder, lost.signal.aborted);
    } finally {
      await release();
    }
  });
  if (!flags.json) process.stdout.write(`${summaryLines(summary, prompts, file, folder).join("\n")}\n`);
  if (summary.failures.length > 0) process.exitCode = exitCodes.failed;
}

/** Reads the whole file once: what is wrong with it should not be found hours later. */
async function countPrompts(
  dataset: Dataset,
  limit: number | undefined,
  signal: AbortSignal,
  progress: Progress,
): Promise<number> {
  let count = 0;
  for await (const _ of dataset.prompts()) {
    throwIfCancelled(signal);
    if (count === limit) break;
    progress.update({ phase: "read", done: ++count, total: 0 });
  }
  return count;
}

/** The run, for who holds its folder's lock. */
async function runAlone(run: Run, flags: DatasetFlags): Promise<Summary> {
  const { dataset, prompts, folder, signal, progress } = run;
  const before = await readManifest(folder);
  if (before && !flags.resume)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `There is a run in ${folder} already.`, {
      hint: "Add --resume to go on with it, or choose another folder (--output).",
    });
  const { file, format, columns } = dataset;
  const digest = await sha256(file, { signal });
  const seeded = { ...flags, ...drawnSeed(flags, before) };
  const identity = { dataset: { file, format, sha256: digest, columns: { ...columns } }, options: decisive(seeded) };
  if (before) requireSame(before, identity, folder);
  const journal = await Journal.open(folder);
  try {
    if (!before && !journal.empty)
      throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `The run in ${folder} has lost its manifest.`, {
        hint: "Choose another folder (--output); the results that are in this one stay good.",
      });
    using model = await openModel(flags, signal, progress);
    const { contract, native: handle, name } = model;
    const source = { name, sha256: contract.source.sha256, dtype: contract.dtype, device: handle.device };
    if (before) requireSame(before, { model: source }, folder);
    const started = before?.started ?? new Date().toISOString();
    const write = (ended: string | null): Promise<void> => {
      const { stored, failures } = journal.summary(prompts);
      return writeManifest(folder, {
        version: 1,
        versions: {
          "tokenlense-native": packageVersion(),
          libtorch: native().info().libtorch,
          node: process.versions.node,
        },
        model: source,
        ...identity,
        started,
        ended,
        counts: { prompts, stored, failed: failures.length },
      });
    };
    await write(null);
    await attributeRest(run, journal, model, seeded);
    await write(new Date().toISOString());
    return journal.summary(prompts);
  } finally {
    await journal.close();
  }
}

/**
 * Attributes and stores every prompt that the journal does not have as stored. What is computed together is stored before
 * the next is computed, so a killed run loses no more than that: a prompt, or some short ones.
 */
async function attributeRest(run: Run, journal: Journal, model: Model, flags: DatasetFlags): Promise<void> {
  const { dataset, prompts, folder, signal, progress } = run;
  const { temperature, topK, topP, seed, maxNewTokens, memoryBudget } = flags;
  const {
    signal: _,
    onProgress: __,
    lookAhead: ___,
    ...shared
  } = checkShared({
    ...{ model, ...choiceOf(flags), maxNewTokens, memoryBudget },
    generation: { temperature, topK, topP, seed },
  });
  let done = journal.summary(prompts).stored;
  const tell = () => progress.update({ phase: "dataset", done, total: prompts, unit: "prompts" });
  tell();
  const attribute = async (beside: readonly DatasetPrompt[], left: readonly DatasetPrompt[]) => {
    const wanted = new Map(left.map((prompt) => [prompt.index, prompt]));
    const asked = beside.map((prompt) => ({
      index: prompt.index,
      options: { ...shared, ...toInput(prompt, flags) } as Asked["options"],
    }));
    const steps = attributeTogether(asked, { model, signal, wanted: (index) => wanted.has(index) });
    for await (const { index, result, error } of flattened(steps)) {
      const prompt = wanted.get(index);
      if (!prompt) {
        result?.dispose();
        continue;
      }
      const outcome = result ? await store(prompt, result, folder, journal) : await note(prompt, error, journal);
      if (flags.json) await print({ index, line: prompt.line, ...outcome });
      done++;
      tell();
    }
  };
  for await (const window of windows(dataset, prompts)) {
    throwIfCancelled(signal);
    const left = window.filter((prompt) => !journal.has(prompt));
    const failed = left.filter((prompt) => journal.hasFailed(prompt));
    const fresh = left.filter((prompt) => !failed.includes(prompt));
    // Beside those that it was computed with, or would have been: scores are then the same to the last bit.
    if (fresh.length > 0) await attribute(window, fresh);
    for (const prompt of failed) await attribute([prompt], [prompt]);
  }
}

/** Prompts that are looked at together: by their places in the file, so that a run that was resumed has the same. */
async function* windows(dataset: Dataset, prompts: number): AsyncGenerator<DatasetPrompt[], void, undefined> {
  let window: DatasetPrompt[] = [];
  for await (const prompt of dataset.prompts()) {
    if (prompt.index >= prompts) break;
    window.push(prompt);
    if (window.length < TOGETHER) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}

async function* flattened<T>(lists: AsyncIterable<readonly T[]>): AsyncGenerator<T, void, undefined> {
  for await (const list of lists) yield* list;
}

async function store(prompt: DatasetPrompt, result: Attribution, folder: string, journal: Journal) {
  await journal.storing(prompt, fileStem(result));
  const file = await save(result, folder);
  result.dispose();
  await journal.stored(prompt, basename(file));
  return { file };
}

async function note(prompt: DatasetPrompt, { code, message, hint }: TokenlenseError, journal: Journal) {
  const error = { code, message, ...(hint !== undefined && { hint }) };
  await journal.failed(prompt, error);
  return { error };
}

/** A line on stdout; waits for a reader that is slower. */
async function print(value: object): Promise<void> {
  await new Promise<void>((resolve) => process.stdout.write(`${JSON.stringify(value)}\n`, () => resolve()));
}

function toInput({ prompt, system, target, contrast }: DatasetPrompt, flags: DatasetFlags) {
  const chat = flags.chat || system !== undefined;
  // Of a chat prompt a reply alone is clear; plain text must say how the two are joined.
  const whole = (text: string | undefined) => (text && chat && !text.startsWith(prompt) ? prompt + text : text);
  return { prompt, chat, system: system || flags.system, target: whole(target), contrast: whole(contrast) };
}

/** Where sampling has no seed one is drawn, the same for all of a run: what is resumed must end as if it had not been. */
function drawnSeed({ temperature, seed }: DatasetFlags, before: Manifest | undefined): { seed?: number } {
  if (temperature === 0 || seed !== undefined) return {};
  const drawn = before?.options.seed;
  return { seed: typeof drawn === "number" ? drawn : randomInt(2 ** 32) };
}

/** The flags that decide what a result is, by their names. */
function decisive(flags: DatasetFlags): Record<string, unknown> {
  const { method, option, step, stepScore, aggregate, maxNewTokens, chat, system, device, dtype } = flags;
  const { temperature, topK, topP, seed } = flags;
  const options = {
    ...{ method, option, step, "step-score": stepScore, aggregate, "max-new-tokens": maxNewTokens, chat, system },
    ...{ temperature, "top-k": topK, "top-p": topP, seed, device, dtype },
  };
  return JSON.parse(JSON.stringify(options)) as Record<string, unknown>; // as the manifest will give them back
}

function stopped(error: unknown, folder: string, lost: boolean): unknown {
  if (error instanceof Error && "syscall" in error)
    return new TokenlenseError("ERR_TOKENLENSE_DISK", `The run in ${folder} cannot go on: ${error.message}`, {
      hint: "Make room or see to the folder; the same command with --resume goes on.",
      cause: error,
    });
  if (!(error instanceof TokenlenseError) || error.code !== "ERR_TOKENLENSE_CANCELLED") return error;
  if (lost)
    return new TokenlenseError("ERR_TOKENLENSE_DISK", `Another process took over ${folder}: this one slept too long.`);
  const hint = "What is stored stays; the same command with --resume goes on.";
  return new TokenlenseError(error.code, error.message, { hint, cause: error.cause });
}

const SHOWN = 10;

function summaryLines({ stored, failures }: Summary, prompts: number, file: string, folder: string): string[] {
  const shown = failures.slice(0, SHOWN);
  const more = failures.length - shown.length;
  return [
    ...(failures.length > 0 ? [`${failures.length} of ${prompts} prompts failed:`] : []),
    ...shown.map(({ line, error }) => `  ${file}:${line}  ${error.message} (${error.code})`),
    ...(more > 0 ? [`  and ${more} more, in ${join(folder, "journal.jsonl")}`] : []),
    `${stored} of ${prompts} results stored in ${folder}`,
  ];
}
