/**
 * What batches could gain, by `tsc -p tsconfig.bench.json && node build-bench/bench/batches.js`: prompts computed ahead of
 * their reader, and prompts packed into one pass, whose bound is the speed at which a longer text is computed.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { attribute, attributeMany, loadModel, save } from "../src/index.js";
import { MODEL } from "./environment.js";
import { spread } from "./numbers.js";
import { LARGE_SIZE } from "./texts.js";

const WORDS = LARGE_SIZE.text.split(/\s+/);
const text = (words: number, from: number) => WORDS.slice(from, from + words).join(" ");

using model = await loadModel(MODEL);
const folder = await mkdtemp(join(tmpdir(), "tokenlense-bench-"));
try {
  const inputs = Array.from({ length: 20 }, (_, i) => {
    const words = 4 + ((i * 5) % 28);
    return { prompt: text(words, i), target: text(words + 12, i) };
  });
  console.log(`${inputs.length} prompts of 4 to 31 words with 12 words of target, each stored; seconds of 3 runs`);
  for (const lookAhead of [0, 1, 3]) {
    const seconds: number[] = [];
    for (let run = 0; run < 4; run++) {
      const start = performance.now();
      for await (const { result } of attributeMany(inputs, { model, lookAhead })) {
        if (result) await save(result, folder);
        result?.dispose();
      }
      if (run > 0) seconds.push((performance.now() - start) / 1000); // the first measures the machine's paths
    }
    const { median, min, max } = spread(seconds);
    console.log(`  look-ahead ${lookAhead}: ${median.toFixed(2)} (${min.toFixed(2)} – ${max.toFixed(2)})`);
  }

  console.log("GFLOP/s of one prompt by its length, median of 7; native work as a share of the call");
  for (const words of [3, 6, 12, 24, 48]) {
    const runs: { speed: number; share: number; size: string }[] = [];
    for (let run = 0; run < 7; run++) {
      using result = await attribute({ model, prompt: text(words, run), target: text(2 * words, run) });
      const { flops = 0, seconds = Number.NaN } = result.stats ?? {};
      const share = seconds / (result.timings.attribute ?? Number.NaN);
      runs.push({ speed: flops / seconds / 1e9, share, size: `${result.promptLength} + ${result.outputs}` });
    }
    const speed = spread(runs.map((run) => run.speed)).median;
    const share = spread(runs.map((run) => run.share)).median;
    console.log(`  about ${runs[0]?.size} tokens: ${speed.toFixed(0)} GFLOP/s, ${(100 * share).toFixed(1)} %`);
  }
} finally {
  await rm(folder, { recursive: true });
}
