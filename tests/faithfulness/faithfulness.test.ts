import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Attribution,
  attribute,
  type Faithfulness,
  type FaithfulnessFigures,
  type FaithfulnessOptions,
  faithfulness,
  loadModel,
  type MethodName,
  type Model,
} from "../../src/index.js";
import { writeGguf } from "../models/gguf-writer.js";
import { tinyLlama } from "../models/tiny.js";
import { randomIds } from "../native/random-model.js";
import { temporaryFolder, tinyOptions } from "../tiny-model.js";

/** A token whose embedding is zero: to replace by it is to replace by zero. */
const NOTHING = 319;

let model: Model;
const ids = randomIds(17, 310, 4).map((id) => id + 3);
const promptLength = 12;
const outputs = ids.length - promptLength;
let result: Attribution;

beforeAll(async () => {
  const { gguf } = tinyLlama(tinyOptions);
  const embedding = gguf.tensors.find(({ name }) => name === "token_embd.weight");
  embedding?.bytes.fill(0, NOTHING * tinyOptions.width * 4, (NOTHING + 1) * tinyOptions.width * 4);
  const path = `${temporaryFolder()}/tiny.gguf`;
  writeGguf(path, gguf);
  model = await loadModel(path);
  result = await attributed("input_x_gradient", "sum");
});
afterAll(() => model.dispose());

function attributed(method: MethodName, aggregate?: "sum"): Promise<Attribution> {
  return attribute({ model, promptIds: ids.slice(0, promptLength), targetIds: ids, method, aggregate });
}

/** The step function of an output after a text in which each token that does not stay is another: one forward pass. */
async function plain(output: number, stays: (position: number) => boolean, other: number, step: string) {
  const end = promptLength + output;
  const changed = ids.slice(0, end + 1).map((id, position) => (position === end || stays(position) ? id : other));
  const options = { model, promptIds: changed.slice(0, end), targetIds: changed, method: "dummy" } as const;
  const { stepScores } = await attribute({ ...options, stepScores: [step] });
  return stepScores[step]?.[0] as number;
}

const close = (actual: readonly number[], expected: readonly number[], digits = 6) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of actual.entries()) expect(value).toBeCloseTo(expected[i] as number, digits);
};

const flat = (figures: FaithfulnessFigures) => Object.values(figures).flat() as number[];

/** All numbers of all outputs. */
const numbers = ({ results }: Pick<Faithfulness, "results">) =>
  results.flatMap((each) =>
    each.outputs.flatMap(({ value, replaced, attribution, random }) => [
      value,
      replaced,
      ...flat(attribution),
      ...flat(random),
    ]),
  );

/** A result with other scores. */
function scored(score: (position: number, output: number) => number): Attribution {
  const copy = result.normalised("rescale");
  for (let output = 0; output < outputs; output++)
    for (let position = 0; position < promptLength + output; position++)
      copy.scores[position * outputs + output] = score(position, output);
  return copy;
}

describe("against a loop of single forward passes", () => {
  it.each([
    ["unk", 0, "probability", "score"],
    ["zero", NOTHING, "crossentropy", "size"],
    ["pad", 2, "logit", "score"],
  ] as const)(
    "curves and shares are the same with %s tokens (%i), of %s, ranked by %s",
    async (replacement, other, step, rank) => {
      const shares = [0.05, 0.3, 0.5];
      const { results, points } = await faithfulness(result, { model, replacement, step, rank, shares, curveSteps: 4 });
      expect(points).toEqual([0, 0.05, 0.25, 0.3, 0.5, 0.75, 1]);
      const found = results[0]?.outputs ?? [];
      expect(found.map(({ output }) => output)).toEqual([0, 1, 2, 3, 4]);
      for (const { output, tokens, counts, value, replaced, attribution } of found) {
        expect(tokens).toBe(promptLength + output);
        expect(counts).toEqual(points.map((point) => Math.ceil(point * tokens)));
        const weight = (position: number) => {
          const score = result.scores[position * outputs + output] as number;
          return rank === "size" ? Math.abs(score) : score;
        };
        const order = Array.from({ length: tokens }, (_, position) => position).sort((a, b) => weight(b) - weight(a));
        const taken = counts.map((count) => new Set(order.slice(0, count)));
        const without = await Promise.all(
          taken.map((set) => plain(output, (position) => !set.has(position), other, step)),
        );
        const alone = await Promise.all(
          taken.map((set) => plain(output, (position) => set.has(position), other, step)),
        );
        close(attribution.deletion, without, 5);
        close(attribution.insertion, alone, 5);
        expect(value).toBeCloseTo(without[0] as number, 5);
        expect(replaced).toBeCloseTo(without[6] as number, 5);
        const [whole] = without as [number];
        close(
          attribution.comprehensiveness,
          [1, 3, 4].map((at) => whole - (without[at] as number)),
          5,
        );
        close(
          attribution.sufficiency,
          [1, 3, 4].map((at) => whole - (alone[at] as number)),
          5,
        );
        const area = (curve: readonly number[]) =>
          curve.slice(1).reduce((sum, height, i) => {
            const [from, to] = [counts[i] as number, counts[i + 1] as number];
            return sum + ((to - from) / tokens) * (((curve[i] as number) + height) / 2);
          }, 0);
        expect(attribution.deletionArea).toBeCloseTo(area(without), 5);
        expect(attribution.insertionArea).toBeCloseTo(area(alone), 5);
      }
    },
  );

  it("random orders take every token as often as any other, and what they take is as what they leave", async () => {
    const [short] = [ids.slice(0, 6)];
    const options = { model, promptIds: short.slice(0, 5), targetIds: short, method: "dummy" } as const;
    const one = await attribute(options);
    const { results } = await faithfulness(one, {
      ...{ model, shares: [0.2], curveSteps: 5 },
      random: { repeats: 3000, seed: 1 },
    });
    const [found] = results[0]?.outputs ?? [];
    const single = async (position: number) => {
      const changed = short.map((id, at) => (at === position ? 0 : id));
      const { stepScores } = await attribute({ ...options, promptIds: changed.slice(0, 5), targetIds: changed });
      return stepScores.probability?.[0] as number;
    };
    const values = await Promise.all([0, 1, 2, 3, 4].map(single));
    const mean = values.reduce((sum, value) => sum + value, 0) / 5;
    const spread = Math.max(...values) - Math.min(...values);
    expect(spread).toBeGreaterThan(0);
    expect(Math.abs((found?.random.deletion[1] as number) - mean)).toBeLessThan(0.05 * spread);
    const { deletion = [], insertion = [] } = found?.random ?? {};
    for (const at of [1, 2, 3, 4])
      expect(Math.abs((deletion[at] as number) - (insertion[5 - at] as number))).toBeLessThan(0.05 * spread);
  });
});

describe("figures", () => {
  const scores = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 17, maxLength: 17 });

  it("areas lie within their curves, ends are the whole and the replaced text, shares are points of the curves", async () => {
    await fc.assert(
      fc.asyncProperty(scores, fc.integer({ min: 1, max: 7 }), async (list, curveSteps) => {
        const made = scored((position, output) => (list[(position + 3 * output) % 17] as number) + position / 1e4);
        const { results, points, shares } = await faithfulness(made, { model, curveSteps, resamples: 10 });
        for (const { value, replaced, attribution, random } of results[0]?.outputs ?? [])
          for (const figures of [attribution, random])
            for (const [curve, area, ends] of [
              [figures.deletion, figures.deletionArea, [value, replaced]],
              [figures.insertion, figures.insertionArea, [replaced, value]],
            ] as const) {
              expect(area).toBeGreaterThanOrEqual(Math.min(...curve) - 1e-12);
              expect(area).toBeLessThanOrEqual(Math.max(...curve) + 1e-12);
              close([curve[0] as number, curve.at(-1) as number], ends, 12);
              const lost = shares.map((share) => value - (curve[points.indexOf(share)] as number));
              close(lost, curve === figures.deletion ? figures.comprehensiveness : figures.sufficiency, 12);
            }
      }),
      { numRuns: 15 },
    );
  });

  it("depend on the order of the scores alone", async () => {
    await fc.assert(
      fc.asyncProperty(scores, async (list) => {
        const score = (position: number) => (list[position] as number) + position / 1e4;
        const options = { model, resamples: 10 };
        const [made, grown] = [scored(score), scored((position) => Math.exp(3 * score(position)) - 5)];
        const first = await faithfulness(made, options);
        expect(numbers(await faithfulness(grown, options))).toEqual(numbers(first));
      }),
      { numRuns: 10 },
    );
  });

  it("are the same whatever runs together: budgets, other results, other outputs", async () => {
    const occlusion = await attributed("occlusion");
    const options = { model, memoryBudget: 2 ** 30 };
    const together = await faithfulness([result, occlusion, result], options);
    const [first, second, third] = together.results;
    expect(third).toBe(first);
    const alone = await faithfulness(result, options);
    close(numbers(alone), numbers({ results: first ? [first] : [] }));
    close(numbers(await faithfulness(occlusion, options)), numbers({ results: second ? [second] : [] }));
    // The random orders are shared.
    expect(second?.outputs[2]?.random).toEqual(first?.outputs[2]?.random);
    const small = await faithfulness(result, { ...options, memoryBudget: 400_000 });
    close(numbers(small), numbers(alone));
    const some = await faithfulness(result, { ...options, mostOutputs: 3 });
    expect(some.results[0]?.outputs.map(({ output }) => output)).toEqual([0, 2, 4]);
    const own = alone.results[0]?.outputs ?? [];
    for (const output of some.results[0]?.outputs ?? [])
      close(flat(output.attribution), flat(own[output.output]?.attribution as FaithfulnessFigures));
  });

  it("take one draw of chance from a seed", async () => {
    const of = async (seed: number) => numbers(await faithfulness(result, { model, random: { seed, repeats: 2 } }));
    expect(await of(1)).toEqual(await of(1));
    expect(await of(1)).not.toEqual(await of(2));
  });
});

describe("what it refuses", () => {
  const refused = (options: Partial<FaithfulnessOptions>, given: Attribution | Attribution[] = result) =>
    faithfulness(given, { model, ...options }).then(
      () => "nothing",
      ({ code, message, hint }) => `${code} ${message} ${hint ?? ""}`,
    );

  it.each([
    ["a share", { shares: [1] }, "INPUT shares.0"],
    ["no shares", { shares: [] }, "INPUT shares"],
    ["a step function", { step: "probabilty" }, "INPUT .*Did you mean probability"],
    ["one without a contrast", { step: "contrast_prob_diff" }, "INPUT .*needs a contrast"],
    ["one in TypeScript", { step: { name: "own", summary: "", score: () => [] } }, "INPUT .*TypeScript"],
    ["a replacement", { replacement: { text: "a" } }, "INPUT baseline: the text has"],
    ["a budget", { memoryBudget: 10 }, "MEMORY "],
    ["a signal that has fired", { signal: AbortSignal.abort() }, "CANCELLED "],
  ] as const)("%s", async (_, options, expected) => {
    expect(await refused(options as Partial<FaithfulnessOptions>)).toMatch(new RegExp(`^ERR_TOKENLENSE_${expected}`));
  });

  it("results that are none, merged, or of another model", async () => {
    expect(await refused({}, [])).toMatch(/^ERR_TOKENLENSE_INPUT There is no result/);
    const merged = result.aggregate({ by: "spans", spans: [[0, 3]], function: "sum" });
    expect(await refused({}, merged)).toMatch(/^ERR_TOKENLENSE_INPUT .*merged.*before `aggregate`/);
    const other = await loadModel(await otherModel());
    expect(await refused({ model: other })).toMatch(/^ERR_TOKENLENSE_INPUT The result is of .*whose token/);
    other.dispose();
  });

  async function otherModel() {
    const { gguf } = tinyLlama({ ...tinyOptions, seed: 8 });
    const path = `${process.env.TOKENLENSE_CACHE}/other.gguf`;
    writeGguf(path, gguf);
    return path;
  }

  it("stops when the signal fires, and tells how far it is", async () => {
    const told: number[][] = [];
    await faithfulness(result, { model, onProgress: ({ done, total }) => told.push([done, total]) });
    expect(told.at(-1)?.[0]).toBe(told.at(-1)?.[1]);
    const controller = new AbortController();
    const stopped = faithfulness(result, {
      ...{ model, signal: controller.signal, random: { repeats: 2000 } },
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
  });
});
