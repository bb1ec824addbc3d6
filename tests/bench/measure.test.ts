import { beforeAll, expect, it } from "vitest";
import { GpuWatch } from "../../src/bench/gpu.js";
import { type CellTask, type MeasureContext, measure } from "../../src/bench/measure.js";
import { MemoryWatch } from "../../src/bench/memory.js";
import { metricsSchema } from "../../src/bench/schema.js";
import { loadModel, type Model } from "../../src/models/model.js";
import type { Attribution } from "../../src/result.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";

const folder = temporaryFolder();
let model: Model;
beforeAll(async () => {
  model = await loadModel(writeTinyModel(folder));
});
const context = (changes: Partial<MeasureContext> = {}): MeasureContext => ({
  ...{ model, memory: new MemoryWatch(undefined, () => {}), gpu: new GpuWatch("cpu") },
  ...{ gemmLimit: 100, signal: new AbortController().signal },
  ...changes,
});
const task: CellTask = {
  ...{ prompt: { name: "sky", text: "The sky is" }, outputTokens: 4, method: "integrated_gradients" },
  options: { steps: 3 },
};

it("has the figures of one attribution, and those of faithfulness where they are asked for", async () => {
  const quality = { comprehensiveness: 0.4, sufficiency: 0.1, deletion: 0.3, insertion: 0.6 };
  const faithfulness = { ...quality, random: quality };
  const seen: Attribution[] = [];
  const assess: MeasureContext["assess"] = async (result) => {
    seen.push(result);
    expect(result.scores).toHaveLength(result.tokens.length * 4);
    return { faithfulness, result: "attributions/sky.json" };
  };
  const metrics = metricsSchema.strict().parse(await measure(task, context({ assess })));
  expect(metrics).toMatchObject({ outputTokens: 4, faithfulness, result: "attributions/sky.json" });
  expect(metrics.gflopsPerSecond).toBeCloseTo(metrics.flops / 1e9 / metrics.attributeSeconds, 9);
  const [result] = seen;
  expect(result).toMatchObject({ method: "integrated_gradients", outputs: 4 });
  expect(() => result?.scores).toThrow("disposed"); // nothing of a cell stays in memory
  const deltas = Array.from(result?.convergenceDeltas ?? [], Math.abs);
  expect(metrics.convergenceDelta).toBeCloseTo(deltas.reduce((sum, delta) => sum + delta) / 4, 12);
  expect(await measure(task, context())).not.toHaveProperty("faithfulness");
});

it("puts a prompt with a system message in chat format, and cuts prompts to a length", async () => {
  const plain = await measure(task, context());
  const chat = await measure({ ...task, prompt: { name: "sky", text: "The sky is", system: "Be brief." } }, context());
  expect(chat.promptTokens).toBeGreaterThan(plain.promptTokens);
  expect((await measure({ ...task, prompt: { tokens: 1 } }, context())).promptTokens).toBe(1);
});

it("says when memory goes over the limit, once", async () => {
  const over: number[] = [];
  const watch = new MemoryWatch(2 ** 20, (bytes) => over.push(bytes));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(over).toHaveLength(1);
  expect(over[0]).toBeGreaterThan(2 ** 20);
  watch.reset();
  const held = Buffer.alloc(2 ** 26, 1);
  const peak = watch.peak();
  expect(peak).toBeGreaterThan(held.length);
});
