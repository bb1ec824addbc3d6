import { group } from "d3-array";
import { max, median, min } from "simple-statistics";
import { isMeasured, type MeasuredRow, type Report, type Row, type Summary } from "./schema.js";

export type FigureName = keyof ReturnType<typeof figuresOf>;

/** A row's figures by name, as reports and CSV files have them; undefined where it has none. */
export function figuresOf(row: MeasuredRow) {
  const { faithfulness } = row;
  const random = faithfulness?.random;
  return {
    promptTokens: row.promptTokens,
    outputTokens: row.outputTokens,
    generateSeconds: row.generateSeconds,
    generateCpuSeconds: row.generateCpuSeconds,
    attributeSeconds: row.attributeSeconds,
    attributeCpuSeconds: row.attributeCpuSeconds,
    generateTokensPerSecond: row.generateTokensPerSecond,
    attributeTokensPerSecond: row.attributeTokensPerSecond,
    peakBytes: row.peakBytes,
    workingBytes: row.workingBytes,
    gpuBytes: row.gpuBytes,
    gpuWatts: row.gpuWatts,
    flops: row.flops,
    gflopsPerSecond: row.gflopsPerSecond,
    shareOfLimit: row.shareOfLimit,
    convergenceDelta: row.convergenceDelta,
    comprehensiveness: faithfulness?.comprehensiveness,
    randomComprehensiveness: random?.comprehensiveness,
    sufficiency: faithfulness?.sufficiency,
    randomSufficiency: random?.sufficiency,
    deletion: faithfulness?.deletion,
    randomDeletion: random?.deletion,
    insertion: faithfulness?.insertion,
    randomInsertion: random?.insertion,
  };
}

/** Rows taken together by model and method, by prompt and by model; each figure's median, least and most. */
export function summaries(rows: readonly Row[]): Pick<Report, "methods" | "byPrompt" | "byModel"> {
  return {
    methods: grouped(rows, ({ model, method }) => ({ model, method })),
    byPrompt: grouped(rows, ({ prompt }) => ({ prompt })),
    byModel: grouped(rows, ({ model }) => ({ model })),
  };
}

type Common = Pick<Summary, "model" | "method" | "prompt">;

function grouped(rows: readonly Row[], common: (row: Row) => Common): Summary[] {
  const groups = group(rows, (row) => JSON.stringify(common(row)));
  return [...groups.entries()]
    .sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
    .map(([key, members]) => summary(JSON.parse(key) as Common, members));
}

function summary(common: Common, rows: readonly Row[]): Summary {
  const measured = rows.filter(isMeasured);
  const columns = group(
    measured.flatMap((row) => Object.entries(figuresOf(row))).filter(([, value]) => value !== undefined),
    ([name]) => name,
  );
  const figures = [...columns].map(([name, cells]) => {
    const values = cells.map(([, value]) => value as number);
    return [name, { median: median(values), least: min(values), most: max(values) }];
  });
  return {
    ...common,
    rows: rows.length,
    measured: measured.length,
    failed: rows.length - measured.length,
    figures: Object.fromEntries(figures),
  };
}
