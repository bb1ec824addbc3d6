import { afterAll, describe, expect, it } from "vitest";
import {
  type AttributeInput,
  type AttributeOutcome,
  attribute,
  attributeMany,
  loadModel,
  type ManyProgress,
  type Model,
} from "../src/index.js";
import { relativeError } from "./native/random-model.js";
import { temporaryFolder, writeTinyModel } from "./tiny-model.js";

const model = await loadModel(writeTinyModel(temporaryFolder()));
afterAll(() => model.dispose());

const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });
const prompts = ["The sky is", "Grass is", "Snow is", "Coal is", "Blood is"];

async function all<Input extends AttributeInput>(outcomes: AsyncIterable<AttributeOutcome<Input>>) {
  const found: AttributeOutcome<Input>[] = [];
  for await (const outcome of outcomes) found.push(outcome);
  return found.sort((a, b) => a.index - b.index);
}

/** Inputs one by one, with how many were taken. */
function counted<Input>(inputs: readonly Input[]) {
  const state = { taken: 0, closed: false };
  async function* source() {
    try {
      for (const input of inputs) {
        state.taken++;
        yield input;
      }
    } finally {
      state.closed = true;
    }
  }
  return { state, source: source() };
}

describe("attributeMany", () => {
  it("gives what attribute gives for each, from arrays and async iterables alike", async () => {
    const alone = await Promise.all(prompts.map((prompt) => attribute({ model, prompt, maxNewTokens: 3 })));
    for (const inputs of [prompts, new Set(prompts), counted(prompts).source])
      for (const lookAhead of [0, 1, 7]) {
        if (lookAhead > 0 && !Array.isArray(inputs)) continue;
        const outcomes = await all(attributeMany(inputs, { model, maxNewTokens: 3, lookAhead }));
        expect(outcomes.map(({ input }) => input)).toEqual(prompts);
        expect(outcomes.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4]);
        for (const [i, { result }] of outcomes.entries()) {
          const [actual, expected] = [result?.scores ?? [], alone[i]?.scores ?? []];
          if (lookAhead <= 1) expect(actual).toEqual(expected);
          else expect(relativeError(actual, expected)).toBeLessThan(1e-5);
        }
      }
  });

  it("takes options of each input's own", async () => {
    const inputs = [
      { prompt: "Why?", chat: true, target: "Why? Because." },
      {
        prompt: "The sky is",
        target: "The sky is blue",
        contrast: "The sky is grey and",
        step: "contrast_logits_diff",
      },
      { prompt: "The sky is", method: "occlusion", options: { window: 2 } },
    ] as const;
    const outcomes = await all(attributeMany(inputs, { model, maxNewTokens: 2, method: "input_x_gradient" }));
    expect(outcomes.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
    const results = outcomes.map(({ result }) => [result?.method, result?.step, result?.target]);
    expect(results).toEqual([
      ["input_x_gradient", "probability", expect.stringMatching(/assistant\n Because\.$/)],
      ["input_x_gradient", "contrast_logits_diff", "The sky is blue"],
      ["occlusion", "probability", expect.any(String)],
    ]);
  });

  it("records a prompt that fails, and passes over it", async () => {
    const inputs: AttributeInput[] = [
      "a b",
      "",
      { prompt: "x", target: "y" },
      "x ".repeat(200),
      { promptIds: [1] as never },
      "c d",
    ];
    const outcomes = await all(attributeMany(inputs, { model, maxNewTokens: 2 }));
    expect(outcomes.map(({ index, input, error }) => [index, input, error?.code])).toEqual([
      [0, inputs[0], undefined],
      [1, inputs[1], "ERR_TOKENLENSE_PROMPT"],
      [2, inputs[2], "ERR_TOKENLENSE_TARGET"],
      [3, inputs[3], "ERR_TOKENLENSE_CONTEXT"],
      [4, inputs[4], "ERR_TOKENLENSE_INPUT"],
      [5, inputs[5], undefined],
    ]);
    for (const outcome of outcomes) expect("result" in outcome).toBe(!("error" in outcome));
  });

  it("takes inputs as results are asked for, and so many ahead", async () => {
    for (const lookAhead of [0, 2]) {
      const { state, source } = counted(prompts);
      const outcomes = attributeMany(source, { model, maxNewTokens: 2, lookAhead });
      expect(state.taken).toBe(0);
      for (let read = 1; read <= 2; read++) {
        await outcomes.next();
        await new Promise((resolve) => setTimeout(resolve, 30));
        expect(state.taken).toBe(read + lookAhead);
      }
      await outcomes.return();
      expect(state).toEqual({ taken: 2 + lookAhead, closed: true });
    }
  });

  it("gives a result while the next input is still to come", async () => {
    let release = () => {};
    async function* slow() {
      yield "first";
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      yield "second";
    }
    const outcomes = attributeMany(slow(), { model, maxNewTokens: 2 });
    expect((await outcomes.next()).value).toMatchObject({ index: 0, input: "first" });
    release();
    expect((await outcomes.next()).value).toMatchObject({ index: 1, input: "second" });
    expect((await outcomes.next()).done).toBe(true);
  });

  it("stops when its signal fires: between results, and while an input is to come that never does", async () => {
    const controller = new AbortController();
    const { state, source } = counted(prompts);
    const outcomes = attributeMany(source, { model, maxNewTokens: 2, signal: controller.signal });
    await outcomes.next();
    controller.abort(new Error("enough"));
    await expect(outcomes.next()).rejects.toThrow(code("CANCELLED"));
    expect(state.closed).toBe(true);

    async function* never() {
      yield "first";
      await new Promise(() => {});
    }
    const second = new AbortController();
    const waiting = attributeMany(never(), { model, maxNewTokens: 2, signal: second.signal });
    await waiting.next();
    const next = waiting.next();
    second.abort(new Error("enough"));
    const error = await next.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "ERR_TOKENLENSE_CANCELLED",
      cause: expect.objectContaining({ message: "enough" }),
    });
  });

  it("throws what its source throws, after the results of the inputs before", async () => {
    async function* broken() {
      yield "first";
      throw new Error("line 2 is damaged");
    }
    const outcomes = attributeMany(broken(), { model, maxNewTokens: 2 });
    expect((await outcomes.next()).value).toMatchObject({ index: 0 });
    await expect(outcomes.next()).rejects.toThrow("line 2 is damaged");
  });

  it("refuses at once what no input could make good", () => {
    expect(() => attributeMany(prompts, { model, method: "salience" as "saliency" })).toThrow(code("INPUT"));
    expect(() => attributeMany("prompt" as never, { model })).toThrow(code("INPUT"));
    expect(() => attributeMany(prompts, { model, lookAhead: -1 })).toThrow(code("INPUT"));
    expect(() => attributeMany(prompts, { model, prompt: "x" } as never)).toThrow(code("INPUT"));
    const minimal = { ...model, contract: { ...model.contract, methods: ["embed", "hidden", "logits"] } } as Model;
    expect(() => attributeMany(prompts, { model: minimal, method: "attention" })).toThrow(code("CAPABILITY"));
  });

  it("tells how far it is, and what is at work", async () => {
    const told: ManyProgress[] = [];
    const onProgress = (progress: ManyProgress) => told.push(progress);
    await all(attributeMany(["a b", "", "c d"], { model, maxNewTokens: 2, lookAhead: 0, onProgress }));
    const through = told.filter(({ current }) => current === undefined);
    expect(through).toEqual([
      { done: 1, failed: 0, total: 3 },
      { done: 2, failed: 1, total: 3 },
      { done: 3, failed: 1, total: 3 },
    ]);
    const work = told.flatMap(({ current }) => (current ? [`${current.index} ${current.phase}`] : []));
    expect([...new Set(work)]).toEqual(["0 generate", "0 attribute", "2 generate", "2 attribute"]);
  });
});
