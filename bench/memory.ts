import type { EngineAttribution } from "./engine.js";
import { LARGE_SIZE, type Size } from "./texts.js";
import { startEngine } from "./workers.js";

export interface MemoryUse {
  size: string;
  /** Bytes of working memory asked for, weights not counted. */
  budget: number;
  /** Resident size before the run: weights, libraries, Node. */
  baseBytes: number;
  /** Largest resident size during the run. */
  peakBytes: number;
  /** What the run added at most. */
  usedBytes: number;
  /** What the engine reckoned with. */
  plannedBytes: number;
  block: number;
  seconds: number;
  inside: boolean;
}

/** One attribution in a fresh process per budget. */
export async function memoryUse(
  budget: number,
  threads: number | undefined,
  size: Size = LARGE_SIZE,
): Promise<MemoryUse> {
  const engine = startEngine(threads);
  try {
    await engine.about;
    const ids = await engine.ask<number[]>("sequence", size);
    const request = { ids, promptLength: size.promptLength, method: "saliency", step: "probability" };
    const result = await engine.ask<EngineAttribution>("attribute", { ...request, memoryBudget: budget });
    const { baseBytes, peakBytes } = result;
    const stats = result.stats[0];
    if (baseBytes === null || peakBytes === null || !stats) throw new Error("resident sizes are known on Linux only");
    const usedBytes = peakBytes - baseBytes;
    const [seconds = Number.NaN] = result.seconds;
    const { plannedBytes, block } = stats;
    return {
      size: size.name,
      budget,
      baseBytes,
      peakBytes,
      usedBytes,
      plannedBytes,
      block,
      seconds,
      inside: usedBytes <= budget,
    };
  } finally {
    await engine.close();
  }
}
