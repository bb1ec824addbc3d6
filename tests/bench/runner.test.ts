import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { GpuWatch } from "../../src/bench/gpu.js";
import { type StartWorker, startWorker } from "../../src/bench/isolated.js";
import { type BenchPlan, orderedCells } from "../../src/bench/plan.js";
import type { Asked } from "../../src/bench/protocol.js";
import { runBench } from "../../src/bench/runner.js";
import { isMeasured, type LoadedModel, type Report, reportSchema } from "../../src/bench/schema.js";
import { summaryText } from "../../src/bench/text.js";
import {
  type Attribution,
  checkRandomisation,
  compare,
  load,
  loadModel,
  type MethodName,
  type RandomisationCheck,
} from "../../src/index.js";
import { writeSmallGpt2 } from "../goldens/small-gpt2.js";
import { writeTinyLlama } from "../models/tiny.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { report, row } from "./rows.js";

const folder = temporaryFolder();
let tiny: string;
let gpt2: string;
let heavy: string;
beforeAll(() => {
  heavy = join(folder, "heavy.gguf");
  const heads = { layers: 4, heads: 8, kvHeads: 8, headDim: 64 };
  const sizes = { ...heads, width: 512, hidden: 2048, vocabulary: 320, context: 96 };
  writeTinyLlama(heavy, { ...sizes, encoding: "F32", seed: 1 }); // 68 MB of weights
  tiny = writeTinyModel(folder);
  gpt2 = writeSmallGpt2(join(folder, "gpt2"));
});

const text = (name: string, prompt: string) => ({
  name,
  text: prompt,
  prompt: { name, text: prompt },
  outputTokens: 3,
});
const plan = (changes: Partial<BenchPlan> = {}): BenchPlan => ({
  ...{ kind: "matrix", models: [tiny], repeats: 1, warmup: 0, seed: 7, device: "cpu", timeLimit: 60 },
  randomisedPrompts: 0,
  methods: [
    { label: "saliency", name: "saliency", options: {} },
    { label: "integrated_gradients:steps=3", name: "integrated_gradients", options: { steps: 3 } },
  ],
  tasks: [text("one", "The sky is"), text("two", "Grass is green and so")],
  ...changes,
});
/** As the runner has a method checked. */
const shared = (method: MethodName, options: Record<string, unknown>) =>
  ({ method, options: options as never, randomise: [0, 1, "all"] }) as const;
const { system } = report([row()]); // measuring matrix products takes long
const bench = (what: BenchPlan, options: Parameters<typeof runBench>[1]) => runBench(what, { system, ...options });
let runs = 0;
const fresh = () => join(folder, `run-${runs++}`);
const statuses = ({ rows }: Report) => rows.map(({ model, status }) => [model, status]);

/** Workers of which `harm` may do something to one when it is asked. */
const harmed =
  (harm: (asked: Asked, kill: () => void) => void): StartWorker =>
  () => {
    const child = startWorker();
    const send = child.send.bind(child) as (message: unknown, ...rest: unknown[]) => boolean;
    child.send = ((message: Asked, ...rest: unknown[]) => {
      harm(message, () => setTimeout(() => child.kill("SIGKILL"), 5));
      return send(message, ...rest);
    }) as typeof child.send;
    return child;
  };

describe("runBench", () => {
  it("measures every model by every method on every prompt", async () => {
    const ticks: number[] = [];
    const whole = plan({ models: [tiny, gpt2], repeats: 2, warmup: 1 });
    const { report, stopped } = await bench(whole, { folder: fresh(), onProgress: (done) => ticks.push(done) });
    expect(stopped).toBeUndefined();
    expect(reportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    const key = ({ model, method, prompt, repeat }: Report["rows"][number]) => [model, method, prompt, repeat].join();
    expect(new Set(report.rows.map(key)).size).toBe(16);
    expect(ticks).toEqual([...Array(17).keys()]);
    expect(report.models.map(({ model }) => model).sort()).toEqual([tiny, gpt2].sort());
    for (const row of report.rows.filter(isMeasured)) {
      expect(row.outputTokens).toBe(3);
      expect(row.flops).toBeGreaterThan(0);
      expect(row.peakBytes).toBeGreaterThan(2 ** 25);
      expect(row.attributeTokensPerSecond).toBeCloseTo(3 / row.attributeSeconds, 9);
      expect(row.shareOfLimit).toBeCloseTo(row.flops / 1e9 / row.attributeSeconds / report.system.gemmLimit, 9);
      expect(row.convergenceDelta !== undefined).toBe(row.method !== "saliency");
    }
    expect(report.rows.every(isMeasured)).toBe(true);
    // The arithmetic of a method on a prompt is the same each time.
    const flops = (model: string) =>
      new Set(
        report.rows
          .filter(isMeasured)
          .flatMap((row) => (row.model === model ? `${row.method} ${row.prompt} ${row.flops}` : [])),
      );
    expect(flops(tiny).size).toBe(4);
  });

  it("goes on after a crash, and gives up a model that only crashes", async () => {
    let cells = 0;
    const once = harmed((asked, kill) => asked.ask === "cell" && ++cells === 2 && kill());
    const { report } = await bench(plan({ models: [gpt2, tiny] }), { folder: fresh(), start: once });
    expect(report.rows.map(({ status }) => status).sort()).toEqual(["crashed", ...Array(7).fill("ok")]);
    const crash = report.rows.find(({ status }) => status === "crashed");
    expect(crash).toMatchObject({
      error: { code: "ERR_TOKENLENSE_NATIVE", message: expect.stringContaining("SIGKILL") },
    });

    let starts = 0;
    const never = harmed((asked, kill) => {
      if (asked.ask === "load") starts++;
      if (asked.ask === "load" && asked.what.model === gpt2) kill();
    });
    const other = await bench(plan({ models: [gpt2, tiny] }), { folder: fresh(), start: never });
    expect(statuses(other.report).filter(([model, status]) => model === gpt2 && status === "crashed")).toHaveLength(4);
    expect(statuses(other.report).filter(([model, status]) => model === tiny && status === "ok")).toHaveLength(4);
    expect(starts).toBe(2);
  });

  it("ends a model that takes more memory than it may, and no other", async () => {
    const { report: alone } = await bench(plan(), { folder: fresh() });
    const usual = Math.max(...alone.rows.filter(isMeasured).map(({ peakBytes }) => peakBytes));
    const memoryLimit = usual + 40 * 2 ** 20;
    const { report } = await bench(plan({ models: [heavy, tiny], memoryLimit }), { folder: fresh() });
    expect(statuses(report).filter(([model, status]) => model === heavy && status === "memory")).toHaveLength(4);
    expect(statuses(report).filter(([model, status]) => model === tiny && status === "ok")).toHaveLength(4);
  });

  it("records what is refused, and what takes too long", async () => {
    const long = text("long", "word ".repeat(200));
    const { report } = await bench(plan({ tasks: [text("one", "The sky is"), long] }), { folder: fresh() });
    for (const row of report.rows)
      if (row.prompt === 0) expect(row.status).toBe("ok");
      else expect(row).toMatchObject({ status: "error", error: { code: "ERR_TOKENLENSE_CONTEXT" } });

    const slow = { label: "slow", name: "integrated_gradients" as const, options: { steps: 20_000 } };
    const methods = [slow, ...plan().methods];
    const tasks = [text("long", "word ".repeat(16))];
    const late = await bench(plan({ methods, tasks, timeLimit: 3 }), { folder: fresh() });
    for (const row of late.report.rows) expect(row.status).toBe(row.method === "slow" ? "timeout" : "ok");

    const absent = await bench(plan({ models: [join(folder, "absent.gguf"), tiny] }), { folder: fresh() });
    expect(
      absent.report.rows.filter((row) => row.status === "error" && row.error.code === "ERR_TOKENLENSE_FILE"),
    ).toHaveLength(4);
    expect(absent.report.rows.filter(isMeasured)).toHaveLength(4);
  });

  it("stopped, it has a report of what is done, and goes on from there", async () => {
    const run = fresh();
    const controller = new AbortController();
    const stopAfter = (done: number) => done === 2 && controller.abort();
    const first = await bench(plan(), { folder: run, signal: controller.signal, onProgress: stopAfter });
    expect(first.stopped?.code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect(first.report).toMatchObject({ ended: null, cells: 4 });
    expect(first.report.rows).toHaveLength(2);

    await expect(bench(plan(), { folder: run })).rejects.toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    await expect(bench(plan({ repeats: 2 }), { folder: run, resume: true })).rejects.toThrow("another repeats");
    const journal = join(run, "journal.jsonl");
    writeFileSync(journal, `${readFileSync(journal, "utf8")}{"row":{"model":"cut sh`); // as a killed run leaves it
    const second = await bench(plan({ timeLimit: 50 }), { folder: run, resume: true });
    expect(second.report.rows).toHaveLength(4);
    expect(second.report.rows.slice(0, 2)).toEqual(first.report.rows);
    expect(second.report.started).toBe(first.report.started);
  });

  it("measures prompts and outputs of the lengths asked for", async () => {
    const task = (tokens: number, outputTokens: number) => ({
      ...{ name: `${tokens} + ${outputTokens}`, text: "", prompt: { tokens }, outputTokens },
    });
    const tasks = [task(5, 2), task(5, 4), task(60, 2), task(60, 4)];
    const { report } = await bench(plan({ kind: "scale", tasks }), { folder: fresh() });
    const found = report.rows
      .filter(isMeasured)
      .map((row) => [tasks[row.prompt]?.name, `${row.promptTokens} + ${row.outputTokens}`]);
    expect(found).toHaveLength(8);
    for (const [asked, measured] of found) expect(measured).toBe(asked);
    expect(report.fits?.map(({ method }) => method).sort()).toEqual(["integrated_gradients:steps=3", "saliency"]);
  });
});

describe("likeness", () => {
  const methods: BenchPlan["methods"] = [
    { label: "saliency", name: "saliency", options: {} },
    { label: "attention", name: "attention", options: {} },
    { label: "integrated_gradients:steps=3", name: "integrated_gradients", options: { steps: 3 } },
  ];
  const both = (changes: Partial<BenchPlan> = {}) =>
    plan({ models: [tiny, gpt2], methods, repeats: 2, randomisedPrompts: 1, ...changes });

  it("is that of the methods themselves, on every prompt, and on copies of the model", async () => {
    const run = fresh();
    const ticks: [number, number][] = [];
    const { report } = await bench(both(), { folder: run, onProgress: (...tick) => ticks.push(tick) });
    expect(ticks.at(-1)).toEqual([42, 42]);
    expect(ticks).toHaveLength(43);
    expect(report.rows.every((row) => isMeasured(row) && (row.result !== undefined) === (row.repeat === 0))).toBe(true);
    expect(readdirSync(join(run, "attributions"))).toHaveLength(12);
    expect(report.agreement).toHaveLength(2 * 2 * 3);
    expect(report.randomisation).toHaveLength(2 * 3 * 3);

    using model = await loadModel(tiny);
    const rowOf = (label: string, prompt: number) => {
      const row = report.rows.find(
        ({ model, method, prompt: of, repeat }) => model === tiny && method === label && of === prompt && repeat === 0,
      );
      return row && isMeasured(row) ? join(run, row.result as string) : "";
    };
    const checks = new Map<string, RandomisationCheck>();
    for (const { label, name: method, options } of methods) {
      const stored = await load(rowOf(label, 0));
      expect(stored).toMatchObject({ method, prompt: "The sky is", outputs: 3 });
      const targetIds = Int32Array.from(stored.tokens, ({ id }) => id);
      const promptIds = targetIds.slice(0, stored.promptLength);
      checks.set(label, await checkRandomisation({ ...shared(method, options), model, promptIds, targetIds }));
    }
    for (const { method, other, prompt, model: name, ...likeness } of report.agreement) {
      if (name !== tiny || prompt !== 0) continue;
      const [a, b] = [method, other].map((one) => checks.get(one)?.result);
      const [pair] = compare([a as Attribution, b as Attribution]);
      expect(likeness).toEqual({ spearman: pair?.spearman, topOverlap: pair?.topOverlap });
    }
    for (const check of report.randomisation.filter(({ model: name }) => name === tiny)) {
      const there = checks.get(check.method)?.stages[["head", "half", "all"].indexOf(check.stage)]?.agreement;
      expect(check).toMatchObject({ status: "ok", prompt: 0, spearman: there?.spearman });
    }
    const attention = report.randomisationMeans.find(({ method, stage }) => method === "attention" && stage === "head");
    expect(attention?.spearman).toBeCloseTo(1, 10);
  });

  it("goes on with its checks, and makes again what was stored and is gone", async () => {
    const run = fresh();
    const controller = new AbortController();
    const stopAfter = (done: number) => done === 28 && controller.abort();
    const first = await bench(both(), { folder: run, signal: controller.signal, onProgress: stopAfter });
    expect(first.stopped?.code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect(first.report).toMatchObject({ ended: null, rows: { length: 24 }, randomisation: { length: 4 } });
    expect(summaryText(first.report)).toContain("24 cells; the run was stopped.");

    const gone = first.report.rows.find((row) => isMeasured(row) && row.result !== undefined);
    if (gone && isMeasured(gone)) rmSync(join(run, gone.result as string));
    const second = await bench(both(), { folder: run, resume: true });
    expect(second.report.randomisation).toHaveLength(18);
    expect(second.report.randomisation.slice(0, 4)).toEqual(first.report.randomisation);
    expect(second.report.agreement).toEqual(first.report.agreement);
    expect(readdirSync(join(run, "attributions"))).toHaveLength(12);
  });

  it("lacks what failed, and what a model without layers cannot give", async () => {
    const dying = harmed((asked, kill) => asked.ask === "load" && asked.what.randomised === "half" && kill());
    const refused = { label: "layers", name: "layer_gradient_x_activation" as const, options: { layer: 99 } };
    const lame = plan({ methods: [...methods, refused], randomisedPrompts: 2 });
    const { report } = await bench(lame, { folder: fresh(), start: dying });
    expect(report.rows.filter(isMeasured)).toHaveLength(6);
    expect(report.agreement).toHaveLength(6);
    const stages = (of: Report, status: string) =>
      of.randomisation.filter((check) => check.status === status).map(({ stage }) => stage);
    expect(stages(report, "crashed")).toEqual(Array(6).fill("half"));
    expect(stages(report, "ok")).toHaveLength(12);
    expect(report.randomisationMeans.map(({ prompts }) => prompts)).toEqual(Array(6).fill(2));

    const layerless: StartWorker = () => {
      const child = startWorker();
      return child.on("message", (answered: { value?: Partial<LoadedModel> }) => {
        if (answered.value?.layered) answered.value.layered = false;
      });
    };
    const other = await bench(plan({ methods, randomisedPrompts: 1 }), { folder: fresh(), start: layerless });
    expect(stages(other.report, "ok")).toEqual(["all", "all", "all"]);
    expect(other.report.randomisation).toHaveLength(3);
  });
});

describe("orderedCells", () => {
  it("is a permutation that the seed decides, with each model's cells together", () => {
    const whole = plan({ models: ["a", "b", "c"], repeats: 3 });
    const cells = orderedCells(whole);
    expect(cells).toEqual(orderedCells(whole));
    expect(cells).not.toEqual(orderedCells({ ...whole, seed: 8 }));
    expect(new Set(cells.map((cell) => JSON.stringify(cell))).size).toBe(36);
    expect(cells.filter(({ model }, i) => model !== cells[i - 1]?.model)).toHaveLength(3);
  });
});

it("GpuWatch has the most memory and the mean power since its reset, of the device asked for", async () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const script = '#!/bin/sh\ncase "$*" in *--id=1*) echo "100, 50.0"; echo "300, 70.0"; exec sleep 60;; esac\n';
  writeFileSync(join(bin, "nvidia-smi"), script);
  chmodSync(join(bin, "nvidia-smi"), 0o755);
  const path = process.env.PATH;
  process.env.PATH = `${bin}${delimiter}${path}`;
  const watch = new GpuWatch("cuda:1");
  process.env.PATH = path;
  for (let i = 0; i < 500 && watch.figures().gpuWatts !== 60; i++) await sleep(10);
  expect(watch.figures()).toEqual({ gpuBytes: 300 * 2 ** 20, gpuWatts: 60 });
  watch.reset();
  expect(watch.figures()).toEqual({});
  watch.stop();
  expect(new GpuWatch("cpu").figures()).toEqual({});
});
