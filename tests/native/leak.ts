import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { NativeModel } from "../../src/native.js";
import { compiled } from "../install/processes.js";
import { internalsPlan, occlusionPlan, rulesPlan, straightPlan, type Text } from "../methods/plans.js";
import { FAMILY, gradientPlan, randomIds, randomModels } from "./random-model.js";

// Does memory come back? Each loop is run until it is warm, and then on; what one round would leave behind if it leaked is known, and the
// process may not grow by more than a small part of that. No clock is read.

const MIB = 2 ** 20;
const SIZE = { layers: 2, heads: 4, kvHeads: 2, headDim: 32, width: 128, hidden: 256, vocabulary: 100, context: 512 };
let model: NativeModel;
beforeAll(async () => {
  [model] = (await randomModels(SIZE, 1, FAMILY)) as [NativeModel];
});
afterAll(() => model.dispose());

/** Garbage is collected and finalisers run, which takes turns of the event loop. */
async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Bytes by which the process grows over `rounds` rounds, after as many that do not count. The lesser of two such spans: a leak is in both,
 * a heap that happened to be stretched in one.
 */
async function growth(rounds: number, round: () => unknown): Promise<number> {
  const run = async () => {
    for (let i = 0; i < rounds; i++) {
      await round();
      await collect();
    }
    return process.memoryUsage.rss();
  };
  const [warm, once, twice] = [await run(), await run(), await run()];
  return Math.min(once - warm, twice - once);
}

/** Fails where the process grows by more than a tenth of what `rounds` leaks of `bytes` would be. */
async function expectNoLeak(rounds: number, bytes: number, round: () => unknown): Promise<void> {
  expect(globalThis).toHaveProperty("gc");
  const grown = await growth(rounds, round);
  console.log(`grew by ${(grown / MIB).toFixed(1)} MiB; leaking would be ${((rounds * bytes) / MIB).toFixed(0)} MiB`);
  expect(grown).toBeLessThan((rounds * bytes) / 10);
}

it("tensors that are disposed of", async () => {
  const data = new Float32Array(MIB);
  await expectNoLeak(100, 4 * MIB, () => {
    const tensor = new (native().Tensor)(data, [1024, 1024]);
    tensor.data();
    tensor.dispose();
  });
});

it("tensors that are forgotten", async () => {
  const data = new Float32Array(MIB);
  await expectNoLeak(100, 4 * MIB, () => new (native().Tensor)(data, [1024, 1024]).data());
});

it("models that are built, loaded and disposed of", async () => {
  await expectNoLeak(15, model.bytes, async () => {
    const [fresh] = (await randomModels(SIZE, 2, FAMILY)) as [NativeModel];
    fresh.dispose();
  });
});

it("models that are forgotten", async () => {
  await expectNoLeak(15, model.bytes, () => randomModels(SIZE, 2, FAMILY));
});

it.each(["ragged", "batched", "plain"] as const)("attributions by the %s engine", async (engine) => {
  const ids = randomIds(100, SIZE.vocabulary, 3);
  await expectNoLeak(25, 100 * 60 * SIZE.width * 4, async () => {
    const { scores, stepScores } = await native().attribute(model, gradientPlan(ids, 40, { engine })).promise;
    scores.data();
    scores.dispose();
    for (const score of Object.values(stepScores)) score.dispose();
  });
});

it.each([
  ["integrated gradients", (text: Text) => ({ ...straightPlan(text, 3), reduce: "l2" as const })],
  [
    "integrated gradients to a tolerance",
    (text: Text) => ({ ...straightPlan(text, 12), tolerance: 1, reduce: "l2" as const }),
  ],
  ["DeepLIFT", (text: Text) => ({ ...rulesPlan(text, "deeplift"), reduce: "l2" as const })],
  ["AttnLRP", (text: Text) => ({ ...rulesPlan(text, "attnlrp"), reduce: "l2" as const })],
  ["occlusion", (text: Text) => occlusionPlan(text)],
  ["value zeroing", (text: Text) => internalsPlan(text, "value_zeroing")],
  ["gradient × attention", (text: Text) => internalsPlan(text, "attention_gradient")],
] as const)("attributions by %s", async (_, plan) => {
  const text = { ids: randomIds(100, SIZE.vocabulary, 6), promptLength: 60 };
  await expectNoLeak(25, 100 * 40 * SIZE.width * 4, async () => {
    const { scores, stepScores, deltas, steps } = await native().attribute(model, plan(text)).promise;
    scores.data();
    for (const tensor of [scores, deltas, steps, ...Object.values(stepScores)]) tensor?.dispose();
  });
});

it("attributions of several texts together", async () => {
  const texts = [60, 100, 80].map((length) => ({ ids: randomIds(length, SIZE.vocabulary, length), promptLength: 40 }));
  const plans = texts.map((text) => rulesPlan(text, "gradient"));
  await expectNoLeak(25, 60 * 100 * SIZE.width * 4, async () => {
    for (const { scores, stepScores } of await native().attributeTogether(model, plans).promise)
      for (const tensor of [scores, ...Object.values(stepScores)]) tensor.dispose();
  });
});

it("attributions that are cancelled", async () => {
  const ids = randomIds(300, SIZE.vocabulary, 4);
  await expectNoLeak(25, 300 * 200 * SIZE.width * 4, async () => {
    const task = native().attribute(model, gradientPlan(ids, 100), () => task.cancel());
    await task.promise.catch(() => {});
  });
});

it("generations", async () => {
  const ids = randomIds(200, SIZE.vocabulary, 5);
  const cache = 2 * SIZE.layers * SIZE.kvHeads * SIZE.context * SIZE.headDim * 4;
  const rest = { maxNewTokens: 20, temperature: 0, topK: 0, topP: 1, seed: 0, stopTokens: new Int32Array() };
  await expectNoLeak(100, cache, () => native().generate(model, [{ ids, ...rest }]).promise);
});

it("worker threads that load the addon and end", async () => {
  const work = `
    import("${compiled("install/binding.js")}").then(({ native }) =>
      new (native().Tensor)(new Float32Array(${4 * MIB}), [${4 * MIB}]).data());`;
  await expectNoLeak(20, 16 * MIB, async () => {
    const worker = new Worker(work, { eval: true });
    await new Promise((resolve) => worker.once("exit", resolve));
  });
});
