import fc from "fast-check";
import { afterAll, afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import {
  type AttributeInput,
  type Attribution,
  attribute,
  attributeMany,
  loadModel,
  type ManyProgress,
} from "../../src/index.js";
import { native } from "../../src/install/binding.js";
import { uniform } from "../../src/methods/draw.js";
import { attributeTogether } from "../../src/together/together.js";
import { REAL_MODEL } from "../models/real.js";
import { relativeError } from "../native/random-model.js";
import { temporaryFolder, writeBrokenModel, writeTinyModel } from "../tiny-model.js";

const real = await loadModel(REAL_MODEL);
const folder = temporaryFolder();
const model = await loadModel(writeTinyModel(folder));
afterAll(() => {
  for (const one of [real, model]) one.dispose();
});

const WORDS = "the river runs past old mills and quiet towns where people once made cloth".split(" ");
const words = (count: number, random: () => number) =>
  Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)]).join(" ");

/** Prompts of four tokens that end when they are told to. */
const asIds = (count: number): AttributeInput[] =>
  Array.from({ length: count }, (_, i) => ({
    promptIds: Int32Array.from([40 + i, 50, 60, 70]),
    generation: { stopTokens: [] },
  }));

// What the native engine is given at a time.
let together: MockInstance;
let continued: MockInstance;
beforeEach(() => {
  together = vi.spyOn(native(), "attributeTogether");
  continued = vi.spyOn(native(), "generate");
});
afterEach(() => vi.restoreAllMocks());
const sizes = (mock: MockInstance) => mock.mock.calls.map(([, plans]) => (plans as unknown[]).length);

async function all(inputs: readonly AttributeInput[], options: object) {
  const results: Attribution[] = [];
  for await (const { index, result, error } of attributeMany(inputs, { model, ...options })) {
    if (error) throw error;
    results[index] = result;
  }
  return results;
}

function expectAlike(actual: Attribution | undefined, expected: Attribution, tolerance = 1e-5) {
  const { timings: _, timestamp: __, stats: ___, stepScores, ...rest } = { ...actual } as Attribution;
  const { timings, timestamp, stats, stepScores: expectedScores, ...others } = { ...expected } as Attribution;
  expect(rest).toEqual(others);
  expect(relativeError(actual?.scores ?? [], expected.scores)).toBeLessThan(tolerance);
  for (const [name, values] of Object.entries(expectedScores))
    expect(relativeError(stepScores[name] ?? [], values)).toBeLessThan(tolerance);
}

describe("inputs that are computed together", () => {
  it("have the results of each alone, whatever their lengths", async () => {
    const input = fc.record({
      prompt: fc.integer({ min: 1, max: 8 }),
      target: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      method: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom("saliency", "input_x_gradient") },
        { weight: 2, arbitrary: fc.constantFrom("layer_gradient_x_activation", "attnlrp", "occlusion") },
      ),
      temperature: fc.constantFrom(0, 1),
    });
    let most = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 20 }), fc.nat({ max: 1000 }), async (list, seed) => {
        const random = uniform(seed);
        const inputs = list.map(({ prompt: count, target, method, temperature }): AttributeInput => {
          const prompt = words(count, random);
          const whole = target === undefined ? undefined : `${prompt} ${words(target, random)}`;
          return {
            prompt,
            target: whole,
            method,
            generation: { temperature, seed: 3 },
            maxNewTokens: 5,
          } as AttributeInput;
        });
        const results = await all(inputs, {});
        most = Math.max(most, ...sizes(together));
        for (const [i, own] of inputs.entries())
          expectAlike(results[i], await attribute({ model, ...(own as { prompt: string }) }), 1e-4);
      }),
      { numRuns: 8, seed: 20261127 },
    );
    expect(most).toBeGreaterThan(2);
  });

  it("are the sixteen at hand by default, and each by itself with a look-ahead of one or none", async () => {
    const prompts = asIds(20);
    const seen = async (lookAhead?: number) => {
      together.mockClear();
      continued.mockClear();
      await all(prompts, { maxNewTokens: 4, lookAhead });
      return { continued: sizes(continued), together: sizes(together) };
    };
    expect(await seen()).toEqual({ continued: [16, 4], together: [16, 4] });
    expect(await seen(7)).toEqual({ continued: new Array(5).fill(4), together: new Array(5).fill(4) });
    for (const lookAhead of [0, 1])
      expect(await seen(lookAhead)).toEqual({ continued: new Array(20).fill(1), together: [] });
  });

  it("fail alone: by what they ask, by their memory, by a step function of TypeScript, by what they generate", async () => {
    const bad = {
      name: "bad",
      summary: "Throws at one prompt.",
      score: ({ targets }: { targets: Int32Array }) => {
        if (targets.length === 3) throw new Error("three");
        return new Float32Array(targets.length);
      },
    };
    const inputs: AttributeInput[] = [
      { prompt: "a b c", maxNewTokens: 4 },
      { prompt: "a b d", maxNewTokens: 4, memoryBudget: 1 },
      { prompt: "a b e", maxNewTokens: 3 },
      { prompt: "", maxNewTokens: 4 },
      { prompt: "a b f", maxNewTokens: 4, generation: { stopTokens: Array.from({ length: 320 }, (_, i) => i) } },
      { prompt: "a b g", maxNewTokens: 4 },
      { prompt: "a b h", maxNewTokens: 4, contrast: "a b h i" },
    ];
    const codes: unknown[] = [];
    for await (const { index, error } of attributeMany(inputs, { model, stepScores: ["probability", bad] }))
      codes[index] = error?.code ?? "through";
    const through = "through";
    const [memory, wrong, prompt, target] = ["MEMORY", "NATIVE", "PROMPT", "TARGET"].map((c) => `ERR_TOKENLENSE_${c}`);
    expect(codes).toEqual([through, memory, wrong, prompt, target, through, target]);
    expect(Math.max(...sizes(continued))).toBeGreaterThan(2);
    expect(Math.max(...sizes(together))).toBeGreaterThan(1);
  });

  it("tell each how far they are, and share out the seconds", async () => {
    const told: ManyProgress[] = [];
    const prompts = ["a b c", "d e f", "g h i"];
    const results = await all(prompts, {
      maxNewTokens: 3,
      onProgress: (progress: ManyProgress) => told.push(progress),
    });
    const work = told.flatMap(({ current }) => (current ? [`${current.index} ${current.phase}`] : []));
    expect([...new Set(work)].sort()).toEqual(["0", "1", "2"].flatMap((i) => [`${i} attribute`, `${i} generate`]));
    const seconds = results.map(({ timings }) => timings.generate);
    expect(new Set(seconds).size).toBe(1);
    for (const { timings, stats } of results)
      expect(timings.attribute).toBeGreaterThanOrEqual(stats?.seconds as number);
  });

  it("wait for their reader: no more than two steps are computed ahead", async () => {
    const seen = new Set<number>();
    const outcomes = attributeMany(asIds(100), {
      model,
      maxNewTokens: 2,
      lookAhead: 99,
      onProgress: ({ current }) => current && seen.add(current.index),
    });
    await outcomes.next();
    await vi.waitFor(() => expect(seen.size).toBe(32), { timeout: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen.size).toBe(32);
    await outcomes.return();
  });

  it("stop in the middle when the signal fires", async () => {
    const controller = new AbortController();
    const outcomes = attributeMany(asIds(40), {
      model,
      maxNewTokens: 60,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    const cancelled = { code: "ERR_TOKENLENSE_CANCELLED", cause: { message: "enough" } };
    await expect(outcomes.next()).rejects.toMatchObject(cancelled);
    expect(together).not.toHaveBeenCalled();
  });
});

describe("attributeTogether", () => {
  const asked = Array.from({ length: 12 }, (_, index) => {
    const prompt = words(3, uniform(index));
    return {
      index,
      options: index % 3 === 0 ? { prompt, target: `${prompt} and cloth` } : { prompt, maxNewTokens: 4 },
    };
  });
  const { signal } = new AbortController();
  const run = async (wanted?: (index: number) => boolean) => {
    const found = new Map<number, Float32Array>();
    for await (const answers of attributeTogether(asked, { model, signal, wanted }))
      for (const { index, result } of answers) found.set(index, result?.scores as Float32Array);
    return found;
  };

  it("computes what is wanted beside the same others, to the bit, and nothing else", async () => {
    const whole = await run();
    expect([...whole.keys()].sort((a, b) => a - b)).toEqual(asked.map(({ index }) => index));
    together.mockClear();
    continued.mockClear();
    const given = await run((index) => index === 3);
    expect(given.get(3)).toEqual(whole.get(3));
    expect(given.size).toBeLessThan(12);
    expect(sizes(continued)).toEqual([]); // a target was given
    const part = await run((index) => index === 4);
    expect(part.get(4)).toEqual(whole.get(4));
    expect(part.has(3)).toBe(false);
    expect(await run(() => false)).toEqual(new Map());
  });

  it("says of each what went wrong where all do", async () => {
    using broken = await loadModel(writeBrokenModel(folder));
    const errors: unknown[] = [];
    for await (const answers of attributeTogether(asked, { model: broken, signal }))
      for (const { index, error } of answers) errors[index] = error?.code;
    expect(errors).toEqual(new Array(12).fill("ERR_TOKENLENSE_NON_FINITE"));
  });
});

it("the default model's prompts have the scores of each alone", async () => {
  const inputs = ["The sky is blue", "Two plus two is four", "Paris is the capital of France"].map((target) => ({
    prompt: target.slice(0, target.indexOf(" is")),
    target,
  }));
  const results: Attribution[] = [];
  for await (const { index, result } of attributeMany(inputs, { model: real })) results[index] = result as Attribution;
  expect(sizes(together)).toEqual([3]);
  for (const [i, input] of inputs.entries()) expectAlike(results[i], await attribute({ model: real, ...input }), 1e-4);
});
