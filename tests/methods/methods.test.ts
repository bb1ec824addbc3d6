import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AttributeOptions,
  attribute,
  loadModel,
  type MethodName,
  type Model,
  methods,
  type TokenlenseError,
} from "../../src/index.js";
import { baselinePlan } from "../../src/methods/options.js";
import { relativeError } from "../native/random-model.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";

const folder = temporaryFolder();
let model: Model;
beforeAll(async () => {
  model = await loadModel(writeTinyModel(folder));
});
afterAll(() => model.dispose());

const PROMPT = "The sky over the sea is";
const TARGET = `${PROMPT} blue and`;
const given = (options: object) =>
  attribute({ model, prompt: PROMPT, target: TARGET, ...options } as unknown as AttributeOptions);
const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as TokenlenseError;
/** So that each is quick. */
const quick: Partial<Record<MethodName, object>> = {
  integrated_gradients: { steps: 4 },
  layer_integrated_gradients: { steps: 4 },
  sequential_integrated_gradients: { steps: 2 },
  discretized_integrated_gradients: { steps: 5 },
  gradient_shap: { samples: 2 },
  lime: { samples: 12 },
  reagent: { probes: 3, maxProbeSteps: 4 },
};

describe.each(Object.keys(methods) as MethodName[])("%s", (method) => {
  const options = quick[method] ?? {};

  it("scores what comes before each output, and nothing else", async () => {
    using result = await given({ method, options });
    expect(result.method).toBe(method);
    expect(result.step).toBe(methods[method].step);
    expect(result.shape).toEqual([result.tokens.length, result.outputs]);
    expect(result.dimensions).toEqual([]);
    const counted = Array.from({ length: result.outputs }, () => 0);
    for (let position = 0; position < result.tokens.length; position++)
      for (let output = 0; output < result.outputs; output++) {
        const score = result.scores[position * result.outputs + output] as number;
        expect(Number.isFinite(score)).toBe(true);
        if (position >= result.promptLength + output) expect(score).toBe(0);
        else if (score !== 0) counted[output] = (counted[output] as number) + 1;
      }
    if (method !== "dummy") for (const count of counted) expect(count).toBeGreaterThan(3);
    expect(result.stepScores.probability).toHaveLength(result.outputs);
  });

  it("gives the same again, and as JSON", async () => {
    using first = await given({ method, options });
    using second = await given({ method, options });
    expect(second.scores).toEqual(first.scores);
    expect(first.toJSON().metadata.attribution_method).toBe(method);
  });

  it("says which option is wrong, and which was meant", async () => {
    expect(await failure(given({ method, options: { ...options, qqq: 1 } }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining(`option of ${method}`),
    });
  });

  it("can be cancelled", async () => {
    const controller = new AbortController();
    const work = given({ method, options, signal: controller.signal });
    controller.abort(new Error("enough"));
    expect(await failure(work)).toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
  });
});

describe("dimensions that are kept", () => {
  it("are the embedding's, or layers and heads, and aggregate to what is given by default", async () => {
    const { layers, heads, width } = model.contract;
    const length = model.tokenizer.encode(TARGET).length;
    for (const method of ["input_x_gradient", "deeplift", "integrated_gradients"] as const) {
      using kept = await given({ method, options: { ...quick[method], aggregate: "none" } });
      using reduced = await given({ method, options: quick[method] });
      expect(kept.dimensions).toEqual(["embedding"]);
      expect(kept.shape).toEqual([length, reduced.outputs, width]);
      expect(relativeError(kept.tokenScores, reduced.scores)).toBeLessThan(1e-5);
      expect(relativeError(kept.aggregate("vnorm").scores, reduced.scores)).toBeLessThan(1e-5);
    }
    for (const method of ["attention", "gradient_x_attention"] as const) {
      using kept = await given({ method, options: { mean: false } });
      using reduced = await given({ method });
      expect(kept.dimensions).toEqual(["layer", "head"]);
      expect(kept.shape).toEqual([length, reduced.outputs, layers, heads]);
      expect(relativeError(kept.aggregate(["mean", "mean"]).scores, reduced.scores)).toBeLessThan(1e-5);
      using some = await given({ method, options: { mean: false, layers: [2, 0], heads: [3] } });
      expect(some.shape).toEqual([length, reduced.outputs, 2, 1]);
      for (let cell = 0; cell < length * reduced.outputs; cell++)
        for (const [place, layer] of [2, 0].entries())
          expect(some.scores[cell * 2 + place]).toBeCloseTo(
            kept.scores[(cell * layers + layer) * heads + 3] as number,
            6,
          );
    }
    using zeroing = await given({ method: "value_zeroing", options: { mean: false } });
    expect(zeroing.dimensions).toEqual(["layer"]);
  });

  it("name what there is where a layer or head is not", async () => {
    expect(await failure(given({ method: "attention", options: { layers: [3] } }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("no layer 3; the model has 3"),
    });
    expect(await failure(given({ method: "value_zeroing", options: { heads: [4] } }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("no head 4"),
    });
    expect(await failure(given({ method: "layer_deeplift", options: { layer: 3 } }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("layer: 3 is not below 3"),
    });
  });
});

describe("attention and value zeroing", () => {
  it("are shares: each output's add up to one in every layer and head", async () => {
    for (const method of ["attention", "value_zeroing", "attention_rollout"] as const) {
      using result = await given({ method, options: method === "attention_rollout" ? {} : { mean: false } });
      const inner = result.shape.slice(2).reduce((a, b) => a * b, 1);
      for (let output = 0; output < result.outputs; output++)
        for (let k = 0; k < inner; k++) {
          let sum = 0;
          for (let s = 0; s < result.tokens.length; s++)
            sum += result.scores[(s * result.outputs + output) * inner + k] as number;
          expect(sum).toBeCloseTo(1, 4);
        }
    }
  });
});

describe("options", () => {
  it("are typed by the method", () => {
    // Not called: what the compiler says is the test.
    const right = () => attribute({ model, prompt: PROMPT, method: "occlusion", options: { window: 2 } });
    // @ts-expect-error occlusion has no steps
    const wrong = () => attribute({ model, prompt: PROMPT, method: "occlusion", options: { steps: 2 } });
    expect(right).not.toBe(wrong);
  });

  it("that contradict each other are refused", async () => {
    const options = { tolerance: 0.1, multiplyByInput: false };
    expect(await failure(given({ method: "integrated_gradients", options }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("multiplyByInput"),
    });
  });
});

describe("baselines", () => {
  it("of unk and pad leave ends of text as they are", () => {
    const { unk, eos } = model.contract.tokens;
    const ids = Int32Array.from([5, eos[0] as number, 9]);
    expect(baselinePlan("unk", { model, ids, promptLength: 2 })).toEqual({
      kind: "ids",
      ids: Int32Array.from([unk as number, eos[0] as number, unk as number]),
    });
  });

  it("are the tokens of a text, or zero, or the mean, and differ", async () => {
    const scores = [];
    for (const baseline of ["zero", "mean", { text: "Nobody knows what the weather will be" }])
      scores.push((await given({ method: "deeplift", options: { baseline } })).scores.slice());
    expect(relativeError(scores[0] as Float32Array, scores[1] as Float32Array)).toBeGreaterThan(1e-3);
    expect(relativeError(scores[1] as Float32Array, scores[2] as Float32Array)).toBeGreaterThan(1e-3);
  });

  it("that a model lacks, or that are too short, are refused", async () => {
    const { contract, name, tokenizer } = model;
    const bare = { name, tokenizer, contract: { ...contract, tokens: { ...contract.tokens, unk: null, pad: null } } };
    const context = { model: bare as unknown as Model, ids: tokenizer.encode(TARGET), promptLength: 3 };
    expect(() => baselinePlan("unk", context)).toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", message: expect.stringContaining("no unk token") }),
    );
    expect(baselinePlan(undefined, context)).toEqual({ kind: "zero" });
    expect(await failure(given({ method: "deeplift", options: { baseline: { text: "x" } } }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("tokens"),
    });
  });
});
