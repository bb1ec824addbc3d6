/** One step of large-model.ts: `build <folder>`, or `load <folder>` and an attribution with what was loaded. */
import { existsSync } from "node:fs";
import { resetPeakMemory, resident } from "../src/bench/resident.js";
import { attribute, loadModel } from "../src/index.js";
import { buildArchive } from "../src/models/build.js";
import { locate } from "../src/models/locate.js";
import type { LargeStep } from "./large-model.js";

const BUDGET = 2 ** 30;

async function measured(step: LargeStep["step"], work: () => Promise<Partial<LargeStep>>): Promise<LargeStep> {
  resetPeakMemory();
  const baseBytes = resident("VmRSS");
  const start = performance.now();
  const found = await work();
  const seconds = (performance.now() - start) / 1000;
  const peakBytes = resident("VmHWM");
  if (baseBytes === null || peakBytes === null) throw new Error("resident sizes are known on Linux only");
  return { step, baseBytes, peakBytes, seconds, weightBytes: 0, ...found };
}

const [step = "", folder = ""] = process.argv.slice(2);
const dtype = "bfloat16" as const;
const steps: LargeStep[] = [];
if (step === "build") {
  const { archive, source } = await locate(folder, { dtype });
  if (!source || existsSync(archive)) throw new Error("there is nothing to build");
  const made = await source();
  steps.push(await measured("build", () => buildArchive(archive, made, {}).then(() => ({}))));
} else {
  const loaded: Partial<Record<"model", Awaited<ReturnType<typeof loadModel>>>> = {};
  steps.push(
    await measured("load", async () => {
      loaded.model = await loadModel(folder, { dtype, device: "cpu" });
      return { weightBytes: loaded.model.native.bytes };
    }),
  );
  const model = loaded.model;
  if (!model) throw new Error("nothing was loaded");
  const ids = Int32Array.from({ length: 80 }, (_, i) => (i * 7) % 94);
  steps.push(
    await measured("attribute", async () => {
      await attribute({ model, promptIds: ids.slice(0, 64), targetIds: ids, memoryBudget: BUDGET });
      return { budget: BUDGET, weightBytes: model.native.bytes };
    }),
  );
}
process.send?.(steps, () => process.exit(0));
