/**
 * What batches gain, by `tsc -p tsconfig.bench.json && node build-bench/bench/batches.js`: prompts computed ahead of their
 * reader, and short ones computed together instead of one by one. Each in turns, so that all have the same neighbours.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type AttributeInput, attributeMany, loadModel, save } from "../src/index.js";
import { MODEL } from "./environment.js";
import { spread } from "./numbers.js";
import { LARGE_SIZE } from "./texts.js";

const WORDS = LARGE_SIZE.text.split(/\s+/);
const text = (words: number, from: number) => WORDS.slice(from, from + words).join(" ");
const RUNS = 3;

using model = await loadModel(MODEL);
const folder = await mkdtemp(join(tmpdir(), "tokenlense-bench-"));

interface Run {
  seconds: number;
  flops: number;
  /** Tokens of prompt and of target, of the first. */
  size: string;
}

async function run(inputs: readonly AttributeInput[], lookAhead: number | undefined, stored = false): Promise<Run> {
  const start = performance.now();
  let flops = 0;
  let size = "";
  for await (const { index, result, error } of attributeMany(inputs, { model, lookAhead, maxNewTokens: 8 })) {
    if (error) throw error;
    if (index === 0) size = `${result.promptLength} + ${result.outputs}`;
    flops += result.stats?.flops ?? 0;
    if (stored) await save(result, folder);
    result.dispose();
  }
  return { seconds: (performance.now() - start) / 1000, flops, size };
}

/** Of each look-ahead, runs in turns. */
async function compare(inputs: readonly AttributeInput[], lookAheads: (number | undefined)[], stored = false) {
  const runs = lookAheads.map((): Run[] => []);
  for (let i = 0; i < RUNS; i++)
    for (const [k, lookAhead] of lookAheads.entries()) runs[k]?.push(await run(inputs, lookAhead, stored));
  return runs;
}

const secondsOf = (runs: readonly Run[]) => spread(runs.map(({ seconds }) => seconds));
const shown = (runs: readonly Run[]) => {
  const { median, min, max } = secondsOf(runs);
  return `${median.toFixed(2)} (${min.toFixed(2)} – ${max.toFixed(2)})`;
};

function gain(alone: readonly Run[], together: readonly Run[]): string {
  const factor = secondsOf(alone).median / secondsOf(together).median;
  return `  about ${alone[0]?.size} tokens: ${shown(alone)} and ${shown(together)}, ${factor.toFixed(2)}×`;
}

try {
  await run([{ prompt: text(6, 0), target: text(12, 0) }, text(24, 0)], 0); // measures the machine's paths

  const mixed = Array.from({ length: 8 }, (_, i) => {
    const words = 4 + ((i * 5) % 28);
    return { prompt: text(words, i), target: text(words + 12, i) };
  });
  console.log(`${mixed.length} prompts of 4 to 31 words with 12 words of target, each stored; seconds of ${RUNS} runs`);
  const lookAheads = [0, 31];
  for (const [k, runs] of (await compare(mixed, lookAheads, true)).entries())
    console.log(`  look-ahead ${lookAheads[k]}: ${shown(runs)}`);

  const COUNT = 16;
  const prompts = (input: (words: number, i: number) => AttributeInput, words: number) =>
    Array.from({ length: COUNT }, (_, i) => input(words, i));
  console.log(`${COUNT} prompts one by one and together; seconds of ${RUNS} runs`);
  for (const words of [3, 6, 12]) {
    const given = prompts((words, i) => ({ prompt: text(words, i), target: text(2 * words, i) }), words);
    const [alone = [], together = []] = await compare(given, [0, undefined]);
    const speeds = [alone, together].map((runs) => (runs[0]?.flops ?? 0) / secondsOf(runs).median / 1e9);
    console.log(`${gain(alone, together)}; ${speeds.map((speed) => speed.toFixed(0)).join(" and ")} GFLOP/s`);
  }
  console.log("the same, continued first");
  const [alone = [], together = []] = await compare(prompts(text, 6), [0, undefined]);
  console.log(gain(alone, together));
} finally {
  await rm(folder, { recursive: true });
}
