import { performance } from "node:perf_hooks";
import { mean } from "simple-statistics";
import { attribute } from "../attribute.js";
import { generate } from "../generate.js";
import type { MethodName } from "../methods/index.js";
import type { Model } from "../models/model.js";
import type { Attribution } from "../result.js";
import { joinIds, readPrompt } from "../sequence.js";
import type { GpuWatch } from "./gpu.js";
import type { MemoryWatch } from "./memory.js";
import { type BenchPrompt, passage } from "./prompts.js";
import type { Metrics } from "./schema.js";

/** What a cell has the model do. */
export interface CellTask {
  /** A prompt, or so many tokens of a text that comes with the package. */
  prompt: BenchPrompt | { tokens: number };
  outputTokens: number;
  method: MethodName;
  options: Record<string, unknown>;
}

export interface MeasureContext {
  model: Model;
  memory: MemoryWatch;
  gpu: GpuWatch;
  /** GFLOP/s. */
  gemmLimit: number;
  signal: AbortSignal;
  /** How faithful a result is, and where it is kept; this work is not part of the cell's figures. */
  assess?: ((result: Attribution, options: { model: Model; signal: AbortSignal }) => Promise<Assessment>) | undefined;
}

export type Assessment = Pick<Metrics, "faithfulness" | "result">;

/**
 * Generates and attributes once, and says what that took. Generation goes on past end tokens, so that each model has as
 * many outputs.
 * @throws what `generate` and `attribute` throw.
 */
export async function measure(task: CellTask, context: MeasureContext): Promise<Metrics> {
  const { model, memory, gpu, signal } = context;
  const promptIds = idsOf(model, task.prompt);
  memory.reset();
  gpu.reset();
  const generation = await clocked(() =>
    generate({ model, promptIds, maxNewTokens: task.outputTokens, stopTokens: [], signal }),
  );
  const targetIds = joinIds(promptIds, generation.value.ids);
  const attribution = await clocked(() =>
    attribute({ model, promptIds, targetIds, method: task.method, options: task.options as never, signal }),
  );
  using result = attribution.value;
  const figures = { peakBytes: memory.peak(), ...gpu.figures() };
  const flops = result.stats?.flops ?? 0;
  const gflopsPerSecond = flops / 1e9 / attribution.seconds;
  const deltas = result.convergenceDeltas;
  const onCpu = model.native.device.startsWith("cpu");
  const assessment = await context.assess?.(result, { model, signal });
  return {
    promptTokens: promptIds.length,
    outputTokens: result.outputs,
    generateSeconds: generation.seconds,
    generateCpuSeconds: generation.cpuSeconds,
    attributeSeconds: attribution.seconds,
    attributeCpuSeconds: attribution.cpuSeconds,
    generateTokensPerSecond: result.outputs / generation.seconds,
    attributeTokensPerSecond: result.outputs / attribution.seconds,
    ...figures,
    workingBytes: result.stats?.plannedBytes ?? 0,
    flops,
    gflopsPerSecond,
    ...(onCpu && { shareOfLimit: gflopsPerSecond / context.gemmLimit }),
    ...(deltas && { convergenceDelta: mean(Array.from(deltas, Math.abs)) }),
    ...assessment,
  };
}

function idsOf(model: Model, prompt: CellTask["prompt"]): Int32Array {
  if ("text" in prompt) {
    const { text, system } = prompt;
    return readPrompt(model, { prompt: text, chat: system !== undefined, system }).ids;
  }
  let text = passage;
  let ids = model.tokenizer.encode(text);
  for (; ids.length < prompt.tokens; ids = model.tokenizer.encode(text)) text += text;
  return ids.slice(0, prompt.tokens);
}

async function clocked<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number; cpuSeconds: number }> {
  const before = process.cpuUsage();
  const start = performance.now();
  const value = await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { value, seconds, cpuSeconds: (user + system) / 1e6 };
}
