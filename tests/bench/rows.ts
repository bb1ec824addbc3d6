import { likenessMeans } from "../../src/bench/likeness.js";
import {
  type CheckedRow,
  type MeasuredRow,
  type Report,
  type Row,
  reportSchema,
  stageSchema,
} from "../../src/bench/schema.js";
import { summaries } from "../../src/bench/summary.js";
import { uniform } from "../models/tiny.js";

/** A measured row by hand; every figure follows from the seconds. */
export function row(changes: Partial<MeasuredRow> = {}): MeasuredRow {
  const { attributeSeconds = 0.5, outputTokens = 8 } = changes;
  return {
    ...{ model: "tiny", method: "saliency", prompt: 0, repeat: 0, status: "ok" },
    ...{ promptTokens: 12, outputTokens },
    ...{ generateSeconds: 0.2, generateCpuSeconds: 0.3, generateTokensPerSecond: outputTokens / 0.2 },
    ...{ attributeSeconds, attributeCpuSeconds: 2 * attributeSeconds },
    attributeTokensPerSecond: outputTokens / attributeSeconds,
    ...{ peakBytes: 2e9, workingBytes: 1e7, flops: 1e9, gflopsPerSecond: 1 / attributeSeconds, shareOfLimit: 0.1 },
    ...changes,
  };
}

/** Rows of these methods at so many seconds, three prompts and three repeats each, with noise of a few percent. */
export function noisyRows(seconds: Readonly<Record<string, number>>, seed = 1): MeasuredRow[] {
  const random = uniform(seed);
  return Object.entries(seconds).flatMap(([method, base]) =>
    [0, 1, 2].flatMap((prompt) =>
      [0, 1, 2].map((repeat) =>
        row({ method, prompt, repeat, attributeSeconds: base * (1 + prompt) * (1 + 0.03 * random()) }),
      ),
    ),
  );
}

/** How like these methods are, by chance: of each pair on each prompt, and of each with random weights. */
export function likenesses(models: readonly string[], methods: readonly string[], prompts = 3) {
  const random = uniform(4);
  const likeness = () => ({ spearman: 2 * random() - 1, topOverlap: Math.floor(4 * random()) / 3 });
  const each = models.flatMap((model) => Array.from({ length: prompts }, (_, prompt) => ({ model, prompt })));
  const sorted = [...methods].sort();
  const agreement = each.flatMap((place) =>
    sorted.flatMap((method, i) => sorted.slice(i + 1).map((other) => ({ ...place, method, other, ...likeness() }))),
  );
  const randomisation = each.flatMap((place) =>
    sorted.flatMap((method) =>
      stageSchema.options.map((stage): CheckedRow => ({ ...place, method, stage, status: "ok", ...likeness() })),
    ),
  );
  return { agreement, randomisation, ...likenessMeans({ agreement, randomisation }) };
}

export function report(rows: readonly Row[], changes: Partial<Report> = {}): Report {
  const prompts = Array.from({ length: 1 + Math.max(...rows.map(({ prompt }) => prompt)) }, (_, index) => ({
    ...{ index, name: `prompt ${index}`, text: `text <${index}>`, outputTokens: 8 },
  }));
  const models = [...new Set(rows.map(({ model }) => model))].map((model) => ({
    ...{ model, name: model, sha256: "0".repeat(64), dtype: "float32", device: "cpu", loadSeconds: 1 },
  }));
  return reportSchema.parse({
    ...{ version: 1, kind: "matrix", started: "2026-01-02T03:04:05.000Z", ended: "2026-01-02T03:05:05.000Z" },
    options: { seed: 0 },
    system: {
      ...{ host: "here", os: "Linux", cpu: "Some <CPU>", physicalCores: 2, cores: 4, memoryBytes: 8e9, gpus: [] },
      versions: { "tokenlense-native": "0.1.0", libtorch: "2.13.0", node: "20.20.2" },
      ...{ capability: "AVX2", threads: 2, devices: ["cpu"], gemmLimit: 300 },
    },
    ...{ prompts, models, cells: rows.length, rows, ...summaries(rows) },
    ...changes,
  });
}
