import { basename } from "node:path";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { parseJson } from "../storage/contents.js";
import { toJsonText } from "../storage/json.js";
import { listResults, type ResultQuery } from "../storage/list.js";
import { fromNative } from "../storage/native.js";
import { removeResult } from "../storage/remove.js";
import { load, save } from "../storage/results.js";
import { render } from "../viz/terminal.js";
import { figure, shorten, visible } from "../viz/text.js";
import { columns } from "./columns.js";
import { interruptible } from "./session.js";

interface Flags {
  json?: true;
}

/** `tokenlense list [folder]` */
export async function listCommand(folder: string, flags: Flags & ResultQuery): Promise<void> {
  const { json, ...query } = flags;
  const { results, damaged } = await interruptible((signal, progress) =>
    listResults(folder, { ...query, signal, onProgress: progress.update }),
  );
  if (json) {
    const errors = damaged.map(({ file, error: { code, message } }) => ({ file, code, message }));
    process.stdout.write(`${JSON.stringify({ results, damaged: errors })}\n`);
    return;
  }
  const rows = results.map(({ file, timestamp, modelName, method, promptLength, outputs, prompt }) => [
    timestamp.toISOString().slice(0, 16).replace("T", " "),
    visible(basename(modelName)),
    method,
    `${promptLength} + ${outputs}`,
    shorten(visible(prompt), 32),
    basename(file),
  ]);
  const lines = [
    results.length === 0 ? `No results in ${folder}.` : `${results.length} in ${folder}`,
    ...(rows.length > 0 ? columns([["made (UTC)", "model", "method", "tokens", "prompt", "file"], ...rows]) : []),
    ...(damaged.length > 0 ? ["", `${damaged.length} cannot be read`] : []),
    ...damaged.flatMap(({ file, error }) => [`  ${basename(file)}`, `    ${error.message} (${error.code})`]),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** `tokenlense show <file>` */
export async function showCommand(file: string, flags: Flags): Promise<void> {
  const result = await load(file);
  process.stdout.write(`${flags.json ? toJsonText(result.toJSON()) : render(result, process.stdout)}\n`);
}

/** `tokenlense save <file>`, or "-": its document from stdin. */
export async function saveCommand(file: string, flags: Flags & { output: string }): Promise<void> {
  const result = await (file === "-" ? fromStdin() : load(file));
  const stored = await save(result, flags.output);
  process.stdout.write(flags.json ? `${JSON.stringify({ file: stored })}\n` : `Stored in ${stored}\n`);
}

/** What a command prints with --json in place of a result when it fails. */
const failure = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

async function fromStdin(): Promise<Attribution> {
  const json = await parseJson(await buffer(process.stdin), "stdin");
  const failed = failure.safeParse(json).data?.error;
  if (!failed) return fromNative(json, "stdin");
  const message = `stdin has an error in place of a result: ${failed.message} (${failed.code})`;
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", message);
}

/** `tokenlense load <file>` */
export async function loadCommand(file: string, flags: Flags): Promise<void> {
  const result = await load(file);
  const { modelName: model, method, step, prompt, timestamp, shape, dimensions, versions } = result;
  const scores = statistics(result);
  if (flags.json) {
    const tokens = { prompt: result.promptLength, outputs: result.outputs };
    const stepScores = Object.keys(result.stepScores);
    const summary = {
      file,
      model,
      method,
      step,
      prompt,
      timestamp,
      tokens,
      shape,
      dimensions,
      scores,
      stepScores,
      versions,
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return;
  }
  const rows = [
    ["model", visible(model)],
    ["method", step === undefined ? method : `${method} of ${step}`],
    ["prompt", shorten(visible(prompt), 60)],
    ["made", timestamp.toISOString()],
    ["tokens", `${result.promptLength} of the prompt, ${result.outputs} attributed`],
    ["shape", `[${["sequence", "outputs", ...dimensions].map((name, i) => `${name} ${shape[i]}`).join(", ")}]`],
    [
      "scores",
      `${figure(scores.least)} to ${figure(scores.most)}, mean ${figure(scores.mean)}, ${scores.zeros} of ${scores.count} zero`,
    ],
    ["step scores", Object.keys(result.stepScores).join(", ") || "none"],
    [
      "versions",
      Object.entries(versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(", ") || "unknown",
    ],
  ];
  process.stdout.write(`${[file, ...columns(rows)].join("\n")}\n`);
}

/** Of the scores for positions that come before their output; the others are zero by definition. */
function statistics({ scores, outputs, promptLength }: Attribution) {
  const inner = scores.length / outputs / (promptLength + outputs);
  let [least, most, sum, zeros, count] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  scores.forEach((score, cell) => {
    const row = Math.floor(cell / inner);
    if (Math.floor(row / outputs) >= promptLength + (row % outputs)) return;
    least = Math.min(least, score);
    most = Math.max(most, score);
    sum += score;
    zeros += score === 0 ? 1 : 0;
    count++;
  });
  return count === 0 ? { least: 0, most: 0, mean: 0, zeros, count } : { least, most, mean: sum / count, zeros, count };
}

/** `tokenlense remove <file...>` */
export async function removeCommand(files: readonly string[], flags: Flags & { dryRun?: true }): Promise<void> {
  const dryRun = flags.dryRun === true;
  // All are looked at before the first is removed: a wrong name among them changes nothing.
  for (const file of files) await removeResult(file, { dryRun: true });
  const removed: string[] = [];
  for (const file of new Set(files)) removed.push(...(await removeResult(file, { dryRun })));
  const lines = [dryRun ? "Would be removed" : "Removed", ...removed.map((path) => `  ${path}`)];
  process.stdout.write(`${flags.json ? JSON.stringify({ removed, dryRun }) : lines.join("\n")}\n`);
}
