import { attribute, generate, loadModel, type Model } from "../src/index.js";
import type { Dtype } from "../src/models/contract.js";
import { MODEL } from "./environment.js";
import { distance, type Spread, spread } from "./numbers.js";
import { bytes, table, time } from "./report.js";
import { LARGE_SIZE } from "./texts.js";

export interface DtypeUse {
  dtype: Dtype;
  weightBytes: number;
  seconds: Spread;
  gigaflops: number;
  /** Float32's median by this one's. */
  ratio: number;
  /** From the scores with float32 weights, as a share of the largest. */
  apart: number;
}

/** Saliency of 256 + 128 tokens with weights kept in each dtype, in turns, in one process. */
export async function dtypeUses(repeats: number): Promise<DtypeUse[]> {
  const dtypes: Dtype[] = ["float32", "bfloat16", "float16"];
  const models = new Map<Dtype, Model>();
  for (const dtype of dtypes) models.set(dtype, await loadModel(MODEL, { dtype }));
  const [float32] = models.values();
  if (!float32) throw new Error("no model");
  const promptIds = float32.tokenizer.encode(LARGE_SIZE.text).subarray(0, LARGE_SIZE.promptLength);
  const { ids } = await generate({ model: float32, promptIds, maxNewTokens: LARGE_SIZE.outputs, stopTokens: [] });
  const targetIds = Int32Array.from([...promptIds, ...ids]);
  const runs = new Map<Dtype, { seconds: number[]; flops: number; scores: Float32Array }>();
  for (let i = 0; i <= repeats; i++)
    for (const [dtype, model] of models) {
      process.stderr.write(`${LARGE_SIZE.name}, ${dtype}: ${i === 0 ? "warming up" : `${i} of ${repeats}`}\n`);
      using result = await attribute({ model, promptIds, targetIds });
      const run = runs.get(dtype) ?? { seconds: [], flops: 0, scores: result.scores.slice() };
      if (i > 0) run.seconds.push(result.timings.attribute ?? Number.NaN);
      run.flops = result.stats?.flops ?? 0;
      runs.set(dtype, run);
    }
  const reference = runs.get("float32");
  const uses = [...runs].map(([dtype, { seconds, flops, scores }]): DtypeUse => {
    const times = spread(seconds);
    return {
      dtype,
      weightBytes: models.get(dtype)?.native.bytes ?? 0,
      seconds: times,
      gigaflops: flops / times.median / 1e9,
      ratio: spread(reference?.seconds ?? []).median / times.median,
      apart: distance(scores, reference?.scores ?? scores),
    };
  });
  for (const model of models.values()) model.dispose();
  return uses;
}

export function dtypesText(uses: readonly DtypeUse[]): string {
  const rows = uses.map(({ dtype, weightBytes, seconds, gigaflops, ratio, apart }) => [
    dtype,
    bytes(weightBytes),
    time(seconds),
    `${ratio.toFixed(2)}×`,
    gigaflops.toFixed(0),
    apart === 0 ? "" : apart.toExponential(1),
  ]);
  return table([["weights in", "take", "seconds", "faster", "GFLOP/s", "scores apart"], ...rows]);
}
