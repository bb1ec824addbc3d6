import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readPrompts } from "../bench/dataset.js";
import type { BenchPlan, BenchTask } from "../bench/plan.js";
import { PAGE_FILE, reportText, writeReport } from "../bench/reporting.js";
import { runBench } from "../bench/runner.js";
import { SCALE } from "../bench/scale.js";
import { failuresOf } from "../bench/text.js";
import type { ColumnOptions } from "../dataset/dataset.js";
import { TokenlenseError } from "../errors.js";
import { benchMethods, DEFAULT_MODEL, defaultMethods, type MeasureFlags } from "./bench-options.js";
import { exitCodes } from "./failure.js";
import { interruptible } from "./session.js";

interface BenchFlags extends MeasureFlags, ColumnOptions {
  dataset?: string;
  limit?: number;
  maxNewTokens: number;
  randomisedPrompts: number;
}

interface ScaleFlags extends MeasureFlags {
  promptTokens: number[];
  outputTokens: number[];
}

/** `tokenlense bench run`: exit code 1 where some cells or checks failed. */
export async function benchCommand(flags: BenchFlags): Promise<void> {
  const { randomisedPrompts } = flags;
  await measureAndReport("matrix", flags, async (signal) => {
    const prompts = await readPrompts(flags.dataset, { ...flags, signal });
    const tasks = prompts.map((prompt) => ({
      ...{ name: prompt.name, text: prompt.text },
      ...{ prompt, outputTokens: flags.maxNewTokens },
    }));
    return { tasks, randomisedPrompts };
  });
}

/** `tokenlense bench scale`. */
export async function benchScaleCommand(flags: ScaleFlags): Promise<void> {
  const lengths = (given: number[], usual: readonly number[]) => [...new Set(given.length > 0 ? given : usual)];
  const outputs = lengths(flags.outputTokens, SCALE.outputs);
  const tasks = lengths(flags.promptTokens, SCALE.prompts).flatMap((tokens) =>
    outputs.map((outputTokens): BenchTask => {
      const name = `${tokens} + ${outputTokens}`;
      return { name, text: `${tokens} tokens of the package's text`, prompt: { tokens }, outputTokens };
    }),
  );
  await measureAndReport("scale", flags, async () => ({ tasks, randomisedPrompts: 0 }));
}

async function measureAndReport(
  kind: BenchPlan["kind"],
  flags: MeasureFlags,
  asked: (signal: AbortSignal) => Promise<Pick<BenchPlan, "tasks" | "randomisedPrompts">>,
): Promise<void> {
  const methods = benchMethods(flags.method.length > 0 ? flags.method : defaultMethods[kind]);
  const folder = await chosenFolder(kind, flags);
  const { report, stopped } = await interruptible(async (signal, progress) => {
    const { repeats, warmup, seed, device, dtype, timeLimit, memoryLimit, resume } = flags;
    const models = [...new Set(flags.model ?? [DEFAULT_MODEL])];
    const plan: BenchPlan = {
      ...{ kind, models, methods, ...(await asked(signal)) },
      ...{ repeats, warmup, seed, device, dtype, timeLimit, memoryLimit },
    };
    const onProgress = (done: number, total: number) =>
      progress.update({ phase: "bench", done, total, unit: "prompts" });
    return runBench(plan, { folder, resume, signal, onProgress });
  });
  await writeReport(folder, report);
  if (flags.json) process.stdout.write(`${JSON.stringify({ folder, ...report })}\n`);
  else process.stdout.write(`${reportText(report)}\n\nThe report is ${join(folder, PAGE_FILE)}\n`);
  if (stopped)
    throw new TokenlenseError(stopped.code, stopped.message, {
      hint: `The report has what was measured; --resume --output ${folder} goes on.`,
      cause: stopped.cause,
    });
  if (failuresOf(report).length > 0) process.exitCode = exitCodes.failed;
}

/** Names that sort by their time: the last is what `--resume` alone goes on with. */
async function chosenFolder(kind: BenchPlan["kind"], { output, resume }: MeasureFlags): Promise<string> {
  if (output !== undefined) return output;
  const prefix = kind === "scale" ? "bench-scale-" : "bench-";
  if (!resume) return join("results", `${prefix}${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}`);
  const names = await readdir("results").catch(() => []);
  const last = names.filter((name) => name.startsWith(prefix) && /^\d/.test(name.slice(prefix.length))).sort();
  const name = last.at(-1);
  if (name !== undefined) return join("results", name);
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is no benchmark in results/ to go on with.", {
    hint: "Name its folder (--output), or begin one without --resume.",
  });
}
