import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { JOURNAL } from "../../src/bench/journal.js";
import { writeReport } from "../../src/bench/reporting.js";
import type { MeasuredRow, Report } from "../../src/bench/schema.js";
import { noisyRows, report } from "../bench/rows.js";
import { resultsFolder } from "../server/running.js";

const methods = { saliency: 0.5, "integrated_gradients:steps=20": 6, lime: 3, attention: 0.1 };

/** Rows of two models by four methods, at three lengths; methods that take longer are the more faithful. */
function rows(factor: number): MeasuredRow[] {
  return ["tiny", "org/a-larger-model"].flatMap((model, i) =>
    noisyRows(methods, i + 1).map((one) => {
      const attributeSeconds = one.attributeSeconds * factor * (1 + 2 * i);
      return {
        ...{ ...one, model, attributeSeconds, promptTokens: 10 * 2 ** one.prompt, peakBytes: (1 + i) * 5e8 },
        attributeTokensPerSecond: one.outputTokens / attributeSeconds,
        faithfulness: {
          ...{ comprehensiveness: 0.3 + Math.log10(10 * attributeSeconds) / 10, sufficiency: 0.1 },
          ...{ deletion: 0.2, insertion: 0.6 },
          random: { comprehensiveness: 0.25, sufficiency: 0.21, deletion: 0.4, insertion: 0.42 },
        },
      };
    }),
  );
}

/** Runs of two machines, the later twice as fast. */
export const runs: Readonly<Record<string, Report>> = {
  "bench-old": report(rows(1)),
  "bench-new": report(rows(0.5), {
    started: "2026-03-02T03:04:05.000Z",
    system: { ...report(rows(1)).system, cpu: "Another CPU", capability: "AVX512", threads: 8 },
  }),
};

/** A results folder with these runs. */
export async function measuredFolder(ids: readonly string[] = Object.keys(runs)): Promise<string> {
  const folder = resultsFolder();
  for (const id of ids) await writeReport(join(folder, id), runs[id] as Report);
  return folder;
}

/** What a run leaves that was cut off. */
export function cutOff(folder: string, id: string): void {
  mkdirSync(join(folder, id));
  writeFileSync(join(folder, id, JOURNAL), "");
}
