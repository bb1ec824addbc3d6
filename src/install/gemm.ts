import type { GemmReport, GemmShape, Native, NativeProgress } from "../native.js";
import { run } from "../task.js";

/** What the engine multiplies, over the default model's sizes, and a large square. */
const SHAPES: readonly GemmShape[] = [
  { rows: 1, depth: 576, columns: 3072, transposed: true },
  { rows: 47, depth: 576, columns: 3072, transposed: true },
  { rows: 47, depth: 3072, columns: 576, transposed: false },
  { rows: 384, depth: 576, columns: 576, transposed: false },
  { rows: 768, depth: 3072, columns: 576, transposed: false },
  { rows: 768, depth: 576, columns: 1536, transposed: false },
  { rows: 768, depth: 576, columns: 1536, transposed: false, coarse: true },
  { rows: 768, depth: 576, columns: 1536, transposed: false, dtype: "bfloat16" },
  { rows: 768, depth: 960, columns: 576, transposed: false },
  { rows: 2048, depth: 2048, columns: 2048, transposed: false },
  { rows: 2048, depth: 2048, columns: 2048, transposed: true },
];

export interface GemmMeasurement extends GemmReport {
  shape: string;
}

/** What the ways to a matrix product run at here, GFLOP/s; some seconds. */
export async function measureGemm(
  native: Native,
  { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: NativeProgress | undefined } = {},
): Promise<GemmMeasurement[]> {
  const report = await run(native.measureGemm({ shapes: [...SHAPES], seconds: 0.3 }, onProgress), signal);
  return report.map((entry, i) => ({ shape: text(SHAPES[i] as GemmShape), ...entry }));
}

/** The fastest float32 product measured, GFLOP/s. */
export function gemmLimit(all: readonly GemmMeasurement[]): { limit: number; shape: string; path: string } {
  const rates = all
    .filter((_, i) => SHAPES[i]?.dtype === undefined)
    .flatMap(({ shape, paths }) => Object.entries(paths).map(([path, limit]) => ({ limit, shape, path })));
  return rates.reduce((best, rate) => (rate.limit > best.limit ? rate : best));
}

function text({ rows, depth, columns, transposed, dtype, coarse }: GemmShape): string {
  const notes = [transposed && "weight transposed", dtype && `${dtype} weight`, coarse && "coarse"].filter(Boolean);
  return `${rows}x${depth}·${depth}x${columns}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}`;
}
