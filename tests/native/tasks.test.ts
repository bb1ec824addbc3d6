import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { GenerationPlan, NativeModel, NativeTensor } from "../../src/native.js";
import { FAMILY, GPT2, GPT2_TWIN, gradientPlan, PROBABILITY, randomIds, randomModels, TWIN } from "./random-model.js";

const size = { layers: 4, heads: 4, kvHeads: 2, headDim: 32, width: 128, hidden: 256, vocabulary: 100, context: 512 };
let model: NativeModel;
let twin: NativeModel;
beforeAll(async () => {
  [model, twin] = (await randomModels(size, 1, FAMILY, TWIN)) as [NativeModel, NativeModel];
});
afterAll(() => {
  model.dispose();
  twin.dispose();
});

const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error("it resolved");
    },
    (error) => error as { code: string; message: string; hint?: string },
  );

describe("tasks", () => {
  it("report progress that only grows and ends at its total", async () => {
    const seen: [number, number][] = [];
    await native().attribute(model, gradientPlan(randomIds(300, 100, 1), 100), (done, total) =>
      seen.push([done, total]),
    ).promise;
    expect(seen.length).toBeGreaterThan(0);
    for (let i = 1; i < seen.length; i++)
      expect((seen[i] as [number, number])[0]).toBeGreaterThanOrEqual((seen[i - 1] as [number, number])[0]);
    const [done, total] = seen.at(-1) as [number, number];
    expect(done).toBe(total);
  });

  it("stop when cancelled, before and in the middle, and leave the next one alone", async () => {
    const plan = gradientPlan(randomIds(400, 100, 2), 10, { reduce: "l2" });
    const expected = await native().attribute(model, plan).promise;
    const before = native().attribute(model, plan);
    before.cancel();
    expect((await rejection(before.promise)).code).toBe("ERR_TOKENLENSE_CANCELLED");
    let finished = false;
    const middle = native().attribute(model, plan, (done, total) => {
      finished ||= done === total;
      middle.cancel();
    });
    expect((await rejection(middle.promise)).code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect(finished).toBe(false);
    const after = await native().attribute(model, plan).promise;
    expect(after.scores.data()).toEqual(expected.scores.data());
    middle.cancel(); // too late, and harmless
  });

  it("run in order when many are queued on one model, with cancelled ones among them", async () => {
    const ids = randomIds(60, 100, 3);
    const expected = (await native().attribute(model, gradientPlan(ids, 20)).promise).scores.data();
    const order: number[] = [];
    const tasks = Array.from({ length: 20 }, (_, i) => ({ i, task: native().attribute(model, gradientPlan(ids, 20)) }));
    for (const { i, task } of tasks) if (i % 3 === 1) task.cancel();
    await Promise.all(
      tasks.map(async ({ i, task }) => {
        if (i % 3 === 1) expect((await rejection(task.promise)).code).toBe("ERR_TOKENLENSE_CANCELLED");
        else expect((await task.promise).scores.data()).toEqual(expected);
        order.push(i);
      }),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it("keep their model when it is disposed of in the middle", async () => {
    const [mortal] = (await randomModels(size, 1, FAMILY)) as [NativeModel];
    const task = native().attribute(mortal, gradientPlan(randomIds(200, 100, 4), 10));
    mortal.dispose();
    expect((await task.promise).scores.shape).toEqual([200, 190, 128]);
    expect(() => native().attribute(mortal, gradientPlan(randomIds(20, 100, 4), 10))).toThrowError(
      expect.objectContaining({ code: "ERR_TOKENLENSE_DISPOSED" }),
    );
  });

  it("refuse bad arguments at once, by name", () => {
    const ids = randomIds(20, 100, 5);
    const bad: [object, RegExp][] = [
      [{ ids: [1, 2] }, /plan\.ids must be an Int32Array/],
      [{ ids: Int32Array.from([1, -2]) }, /plan\.ids/],
      [{ promptLength: 1.5 }, /plan\.promptLength/],
      [{ reduce: "mean" }, /plan\.reduce must be one of l2, none, sum/],
      [{ memoryBudget: 0 }, /plan\.memoryBudget/],
      [{ stepScores: 3 }, /plan\.stepScores must be an array/],
      [{ step: { name: "broken", source: "def step(x" } }, /"broken" does not compile/],
    ];
    for (const [change, message] of bad)
      expect(() => native().attribute(model, { ...gradientPlan(ids, 5), ...change } as never)).toThrowError(
        expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", message: expect.stringMatching(message) }),
      );
    expect(() => native().attribute({} as never, gradientPlan(ids, 5))).toThrowError(
      expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }),
    );
  });

  it("fail with a code where the work cannot be done", async () => {
    const ids = randomIds(20, 100, 5);
    const code = async (change: object) =>
      (await rejection(native().attribute(model, { ...gradientPlan(ids, 5), ...change }).promise)).code;
    expect(await code({ promptLength: 0 })).toBe("ERR_TOKENLENSE_PROMPT");
    expect(await code({ promptLength: 20 })).toBe("ERR_TOKENLENSE_TARGET");
    expect(
      await code({
        step: {
          name: "constant",
          source: "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return targets.float()\n",
        },
      }),
    ).toBe("ERR_TOKENLENSE_INPUT");
    const broken =
      "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return torch.log(torch.max(logits, 1)[0] * 0 - (targets == 7).float())\n";
    const spoilt = randomIds(20, 100, 5).map((id) => (id === 7 ? 8 : id));
    spoilt[12] = 7;
    const error = await rejection(
      native().attribute(model, { ...gradientPlan(spoilt, 5), step: { name: "spoilt", source: broken } }).promise,
    );
    expect(error).toMatchObject({
      code: "ERR_TOKENLENSE_NON_FINITE",
      message: expect.stringMatching(/output \d+ \(position \d+, token id \d+\), step function "spoilt"/),
    });
    expect((await rejection(native().attribute(twin, gradientPlan(ids, 5, { engine: "ragged" })).promise)).code).toBe(
      "ERR_TOKENLENSE_CAPABILITY",
    );
    expect((await rejection(native().loadModel("/nowhere/model.pt", "cpu").promise)).code).toBe("ERR_TOKENLENSE_FILE");
    expect((await rejection(native().loadModel(new URL(import.meta.url).pathname, "cpu").promise)).code).toBe(
      "ERR_TOKENLENSE_FORMAT",
    );
    expect(() => native().loadModel("x.pt", "toaster")).toThrowError(
      expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }),
    );
  });
});

describe("generation", () => {
  const plan = (change: Partial<GenerationPlan> = {}): GenerationPlan => ({
    ids: randomIds(10, 100, 6),
    maxNewTokens: 20,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: 0,
    stopTokens: new Int32Array(),
    ...change,
  });
  const generate = async (m: NativeModel, change: Partial<GenerationPlan> = {}) =>
    (await native().generate(m, [plan(change)]).promise)[0] as Int32Array;

  it.each([
    ["Llama", FAMILY, TWIN],
    ["GPT-2", GPT2, GPT2_TWIN],
  ])("gives the same tokens with the key/value cache as without: %s", async (_, ...sources) => {
    const [cached, plain] = (await randomModels(size, 1, ...sources)) as [NativeModel, NativeModel];
    for (let seed = 0; seed < 5; seed++) {
      const ids = randomIds(1 + seed * 7, 100, seed);
      expect(await generate(cached, { ids })).toEqual(await generate(plain, { ids }));
    }
    expect(await generate(cached, { temperature: 1.3, seed: 9 })).toEqual(
      await generate(plain, { temperature: 1.3, seed: 9 }),
    );
  });

  it("samples as the seed says, and is greedy in every limit", async () => {
    const greedy = await generate(model);
    expect(greedy).toHaveLength(20);
    expect(await generate(model, { temperature: 1, topK: 1 })).toEqual(greedy);
    expect(await generate(model, { temperature: 1, topP: 0 })).toEqual(greedy);
    expect(await generate(model, { temperature: 1e-4 })).toEqual(greedy);
    const sampled = await generate(model, { temperature: 2, seed: 1 });
    expect(sampled).not.toEqual(greedy);
    expect(await generate(model, { temperature: 2, seed: 1 })).toEqual(sampled);
    expect(await generate(model, { temperature: 2, seed: 2 })).not.toEqual(sampled);
  });

  it("draws with the softmax's frequencies", async () => {
    const ids = randomIds(10, 100, 6);
    const probabilities = await Promise.all(
      Array.from({ length: 100 }, async (_, token) => {
        const sequence = Int32Array.from([...ids, token]);
        const result = await native().attribute(
          model,
          gradientPlan(sequence, 10, { stepScores: [PROBABILITY], reduce: "l2" }),
        ).promise;
        const { probability } = result.stepScores as { probability: NativeTensor };
        return probability.data()[0] as number;
      }),
    );
    const draws = 2000;
    const counts = new Array<number>(100).fill(0);
    for (let seed = 0; seed < draws; seed++) {
      const token = (await generate(model, { ids, maxNewTokens: 1, temperature: 1, seed }))[0] as number;
      counts[token] = (counts[token] as number) + 1;
    }
    // Chi-squared with at most 99 degrees of freedom: 160 has a probability below 0.0001, and the seeds are fixed.
    const chi = counts.reduce(
      (sum, count, i) =>
        sum + (count - draws * (probabilities[i] as number)) ** 2 / (draws * (probabilities[i] as number)),
      0,
    );
    expect(chi).toBeLessThan(160);
  });

  it("ends before a stop token", async () => {
    const greedy = await generate(model);
    const stop = greedy[4] as number;
    expect(await generate(model, { stopTokens: Int32Array.from([stop]) })).toEqual(
      greedy.slice(0, greedy.indexOf(stop)),
    );
    expect(await generate(model, { maxNewTokens: 0 })).toHaveLength(0);
  });
});

describe("a process that ends", () => {
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-exit-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("in the middle of a task, or with a worker stopped in the middle, does not crash", async () => {
    // Plain JavaScript in a process of its own, on the compiled package, as a user has it.
    const root = new URL("../../", import.meta.url).pathname;
    execFileSync(process.execPath, [
      join(root, "node_modules/typescript/bin/tsc"),
      "-p",
      join(root, "tsconfig.build.json"),
    ]);
    const archive = join(folder, "model.pt");
    const weights = join(folder, "weights.bin");
    const ids = randomIds(500, 100, 7);
    const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, context } = size;
    const shapes = Object.entries({
      embedding: [vocabulary, width],
      attention_norm: [layers, width],
      qkv: [layers, (heads + 2 * kvHeads) * headDim, width],
      qkv_bias: [layers, 0],
      qk_norm: [layers, 0],
      attention_out: [layers, width, heads * headDim],
      attention_out_bias: [layers, 0],
      mlp_norm: [layers, width],
      gate_up: [layers, 2 * hidden, width],
      down: [layers, width, hidden],
      final_norm: [width],
      head: [vocabulary, width],
    });
    const largest = Math.max(...shapes.map(([, shape]) => shape.reduce((a, b) => a * b, 1)));
    writeFileSync(weights, Buffer.from(new Float32Array(largest).fill(0.01).buffer));
    await native().buildArchive({
      output: archive,
      source: FAMILY,
      integers: {
        ...{ layers, heads, kv_heads: kvHeads, head_dim: headDim },
        ...{ width, vocabulary, context, long_after: 0, first_layer: 0 },
      },
      floats: { norm_eps: 1e-5, attention_scale: 1, attention_softcap: 0 },
      texts: { activation: "silu" },
      lists: { windows: new Int32Array(layers), rotary_of: new Int32Array(layers), normed_parts: new Int32Array() },
      rotary: [{ dimensions: headDim, theta: 10_000, factor: 1 }],
      tables: [{ name: "position_bias", shape: [0], values: new Float32Array() }],
      weights: shapes.map(([name, shape]) => {
        const columns = shape.at(-1) as number;
        return {
          name,
          shape,
          parts:
            columns > 0
              ? [
                  {
                    file: weights,
                    offset: 0,
                    encoding: "F32",
                    rows: shape.reduce((a, b) => a * b, 1) / columns,
                    columns,
                  },
                ]
              : [],
        };
      }),
      files: {},
    }).promise;
    const work = `
      import { native } from ${JSON.stringify(join(root, "dist/install/binding.js"))};
      const model = await native().loadModel(${JSON.stringify(archive)}, "cpu").promise;
      const plan = ${JSON.stringify({ ...gradientPlan(ids, 5), ids: null })};
      plan.ids = Int32Array.from(${JSON.stringify([...ids])});
      const start = (onProgress) => native().attribute(model, plan, onProgress);`;
    const middle = join(folder, "middle.mjs");
    writeFileSync(middle, `${work} start(() => process.exit(7)); for (let i = 0; i < 5; i++) start();`);
    // Several times: where the lane still works while C++'s destructors run, it is by chance whether it meets one.
    const limits = { encoding: "utf8", timeout: 60_000 } as const;
    for (let i = 0; i < 5; i++)
      expect(spawnSync(process.execPath, [middle], limits)).toMatchObject({ status: 7, signal: null });
    const worker = join(folder, "worker.mjs");
    writeFileSync(
      worker,
      `import { parentPort } from "node:worker_threads"; ${work} start(() => parentPort.postMessage("running")); start();`,
    );
    const parent = join(folder, "parent.mjs");
    writeFileSync(
      parent,
      `import { Worker } from "node:worker_threads"; ${work}
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(${JSON.stringify(worker)});
        await new Promise((resolve) => worker.once("message", resolve));
        await worker.terminate();
      }
      const result = await start().promise;
      console.log(result.scores.shape.join());`,
    );
    const ended = spawnSync(process.execPath, [parent], limits);
    expect(ended.stderr).toBe("");
    expect(ended).toMatchObject({ status: 0, signal: null, stdout: "500,495,128\n" });
  });
});
