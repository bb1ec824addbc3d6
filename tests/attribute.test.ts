import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AttributeOptions,
  Attribution,
  type AttributionProgress,
  attribute,
  generate,
  loadModel,
  type Model,
  type StepName,
  TokenlenseError,
} from "../src/index.js";
import { temporaryFolder, writeBrokenModel, writeTinyModel } from "./tiny-model.js";

const folder = temporaryFolder();
let model: Model;
beforeAll(async () => {
  model = await loadModel(writeTinyModel(folder));
});
afterAll(() => model.dispose());

const prompt = "The capital of France is";
const given = (options: Omit<AttributeOptions, "model">) => attribute({ model, ...options });
/** Runs attribute() as JavaScript may call it. */
const untyped = (options: object) => given(options as Omit<AttributeOptions, "model">);
const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as TokenlenseError;
/** The largest difference, as a share of the largest value. */
const difference = (a: Float32Array, b: Float32Array) => {
  expect(a).toHaveLength(b.length);
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? 0)))) / largest;
};

describe("attribute", () => {
  it("generates, and says for each output what it leaned on", async () => {
    const result = await given({ prompt, maxNewTokens: 6 });
    expect(result).toBeInstanceOf(Attribution);
    const promptIds = [...model.tokenizer.encode(prompt)];
    expect(result.promptLength).toBe(promptIds.length);
    expect(result.outputs).toBe(6);
    expect(result.tokens.slice(0, promptIds.length).map(({ id }) => id)).toEqual(promptIds);
    expect(result.tokens.map(({ text }) => text).join("")).toBe(result.target);
    expect(result.tokens.findIndex(({ role }) => role === "target")).toBe(promptIds.length);
    expect(result.target.startsWith(prompt)).toBe(true);
    expect(result.shape).toEqual([promptIds.length + 6, 6]);
    expect(result.scores).toBeInstanceOf(Float32Array);
    for (let position = 0; position < result.tokens.length; position++)
      for (let output = 0; output < 6; output++) {
        const score = result.scores[position * 6 + output];
        if (position < promptIds.length + output) expect(score).toBeGreaterThan(0);
        else expect(score).toBe(0);
      }
    expect(result).toMatchObject({ method: "saliency", step: "probability", modelName: "tiny", prompt, input: prompt });
    expect(result.generation).toEqual({ maxNewTokens: 6, temperature: 0, topK: 0, topP: 1 });
    expect(result.stats?.flops).toBeGreaterThan(0);
    expect(Object.keys(result.timings)).toEqual(["generate", "attribute"]);
    expect(result.versions).toMatchObject({ libtorch: expect.stringMatching(/^2\.13/) });
  });

  it("gives the same scores for the same text forced, and for its ids", async () => {
    const free = await given({ prompt, maxNewTokens: 6 });
    const ids = Int32Array.from(free.tokens, ({ id }) => id);
    const promptIds = ids.slice(0, free.promptLength);
    const byIds = await given({ promptIds, targetIds: ids });
    expect(byIds.scores).toEqual(free.scores);
    expect(byIds).toMatchObject({ prompt, target: free.target, generation: undefined });

    const target = `${prompt} Paris, of course.`;
    const forced = await given({ prompt, target });
    const sameIds = await given({ promptIds, targetIds: Int32Array.from(forced.tokens, ({ id }) => id) });
    expect(sameIds.scores).toEqual(forced.scores);
    expect(forced.target).toBe(target);
  });

  it("attributes an output alone as it does among others", async () => {
    const whole = await given({ prompt, target: `${prompt} Paris, of course.` });
    const ids = Int32Array.from(whole.tokens, ({ id }) => id);
    const last = whole.outputs - 1;
    const alone = await given({ promptIds: ids.slice(0, -1), targetIds: ids });
    const column = Float32Array.from(alone.tokens, (_, position) => whole.scores[position * whole.outputs + last] ?? 0);
    expect(difference(alone.scores, column)).toBeLessThan(1e-5);
  });

  it("puts the prompt in chat format, with the reply forced", async () => {
    const result = await given({ prompt: "Why?", system: "Be brief.", chat: true, target: "Why? Because." });
    expect(result.prompt).toBe("Why?");
    expect(result.input).toBe(
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(result.target).toBe(`${result.input} Because.`);
    expect(result.tokens[0]).toEqual({
      ...{ id: 1, token: "<|im_start|>", text: "<|im_start|>", role: "prompt" },
      ...{ start: 0, end: 12 },
    });
  });

  it("takes a conversation", async () => {
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello." },
      { role: "user", content: "Why?" },
    ];
    const result = await given({ messages, target: "Why? Because." });
    expect(result.prompt).toBe("Why?");
    expect(result.input).toMatch(/^<\|im_start\|>system\nBe brief\..*Hello\.<\|im_end\|>\n.*assistant\n$/s);
    expect(result.target).toBe(`${result.input} Because.`);
    const contrast = { prompt: "Who?", target: "Who? Me. Nobody." };
    const against = await given({ messages, target: "Why? Because.", contrast });
    expect(against.step).toBe("contrast_prob_diff");
  });

  it("takes a text whose tokens are parts of characters, and tells where each lies", async () => {
    const target = "Größe 東京 🙂 e\u0301 – naïve";
    const result = await given({ prompt: "Größe 東京 🙂 e\u0301", target });
    for (const tokens of [result.tokens, result.aggregate("subwords").tokens]) {
      expect(tokens.map(({ text }) => text).join("")).toBe(target);
      for (const { text, start, end } of tokens) expect(target.slice(start, end)).toBe(text);
    }
  });
});

describe("methods and step functions", () => {
  const target = `${prompt} Paris.`;

  it("gradient of p is p times the gradient of ln p: saliency of probability against TokenLense's own", async () => {
    const saliency = await given({ prompt, target });
    const own = await given({ prompt, target, method: "tokenlense" });
    expect(own.step).toBe("crossentropy");
    const p = saliency.stepScores.probability as Float32Array;
    const expected = own.scores.map((score, i) => score * (p[i % own.outputs] ?? 0));
    expect(difference(saliency.scores, expected)).toBeLessThan(1e-5);
  });

  it("input × gradient kept per dimension holds both its norm and its sum", async () => {
    const [kept, norm, sum] = await Promise.all(
      (["none", "vnorm", "sum"] as const).map((aggregate) =>
        given({ prompt, target, method: "input_x_gradient", aggregate }),
      ),
    );
    if (!kept || !norm || !sum) throw new Error("unreachable");
    const { width } = model.contract;
    expect(kept.shape).toEqual([...norm.shape, width]);
    const cells = (cell: number) => kept.scores.subarray(cell * width, (cell + 1) * width);
    expect(difference(kept.tokenScores, norm.scores)).toBeLessThan(1e-6);
    const sums = sum.scores.map((_, cell) => cells(cell).reduce((total, value) => total + value, 0));
    expect(difference(sums, sum.scores)).toBeLessThan(1e-5);
    expect(sum.scores.some((score) => score < 0)).toBe(true);
  });

  it("step scores are what their definitions say of one another", async () => {
    const result = await given({
      prompt,
      target,
      stepScores: ["probability", "crossentropy", "perplexity", "entropy", "logit", "probability"],
    });
    expect(Object.keys(result.stepScores).sort()).toEqual([
      "crossentropy",
      "entropy",
      "logit",
      "perplexity",
      "probability",
    ]);
    const score = (name: string, output: number) => result.stepScores[name]?.[output] as number;
    for (let output = 0; output < result.outputs; output++) {
      const p = score("probability", output);
      expect(p).toBeGreaterThan(0);
      expect(p).toBeLessThan(1);
      expect(score("crossentropy", output)).toBeCloseTo(-Math.log(p), 4);
      expect(score("perplexity", output)).toBeCloseTo(2 ** -Math.log(p), 2);
      expect(score("entropy", output)).toBeGreaterThan(0);
      expect(score("entropy", output)).toBeLessThanOrEqual(Math.log(model.contract.vocabulary));
    }
    expect((await given({ prompt, target, stepScores: [] })).stepScores).toEqual({});
  });

  it("attributes each step function: gradients follow from one another by the chain rule", async () => {
    const scores = async (step: StepName) =>
      (await given({ prompt, target, step, stepScores: ["crossentropy"] })).scores;
    const {
      stepScores,
      outputs,
      scores: own,
    } = await given({
      ...{ prompt, target, method: "tokenlense", stepScores: ["perplexity"] },
    });
    expect(await scores("crossentropy")).toEqual(own);
    const factor = (i: number) => Math.LN2 * (stepScores.perplexity?.[i % outputs] ?? 0);
    expect(
      difference(
        await scores("perplexity"),
        own.map((score, i) => score * factor(i)),
      ),
    ).toBeLessThan(1e-5);
    // Neither has the softmax of its target in its gradient's size, nor one another's.
    expect(difference(await scores("logit"), own)).toBeGreaterThan(1e-3);
    expect(difference(await scores("entropy"), own)).toBeGreaterThan(1e-3);
  });
});

describe("generate", () => {
  it("gives the same text for the same seed, and reports the one it drew", async () => {
    const drawn = await generate({ model, prompt, temperature: 1, maxNewTokens: 12 });
    expect(drawn.parameters.seed).toBeTypeOf("number");
    const { temperature, seed } = drawn.parameters;
    const again = await generate({ model, prompt, temperature, seed, maxNewTokens: 12 });
    expect(again.ids).toEqual(drawn.ids);
    expect(again.text).toBe(drawn.text);
    const others = await Promise.all(
      [1, 2, 3, 4].map((other) => generate({ model, prompt, temperature, seed: other, maxNewTokens: 12 })),
    );
    expect(others.some(({ text }) => text !== drawn.text)).toBe(true);
  });

  it("is greedy without a temperature, and with only the likeliest token to choose from", async () => {
    const greedy = await generate({ model, prompt, maxNewTokens: 8 });
    expect(greedy.parameters).not.toHaveProperty("seed");
    const narrow = await generate({ model, prompt, maxNewTokens: 8, temperature: 1, topK: 1 });
    expect(narrow.ids).toEqual(greedy.ids);
  });

  it("ends before a stop token, and where the context does", async () => {
    const { ids } = await generate({ model, prompt, maxNewTokens: 8 });
    const stop = ids[3] as number;
    const first = ids.indexOf(stop);
    expect((await generate({ model, prompt, maxNewTokens: 8, stopTokens: [stop] })).ids).toEqual(ids.slice(0, first));
    const all = await generate({ model, prompt, maxNewTokens: 1000, stopTokens: [] });
    expect(all.ids).toHaveLength(model.contract.context - model.tokenizer.encode(prompt).length);
  });

  it("continues ids as it does their text", async () => {
    const byText = await generate({ model, prompt, maxNewTokens: 4 });
    const byIds = await generate({ model, promptIds: model.tokenizer.encode(prompt), maxNewTokens: 4 });
    expect(byIds).toEqual(byText);
  });
});

describe("progress and cancellation", () => {
  it("tells of both phases, to their end", async () => {
    const seen: AttributionProgress[] = [];
    const { target } = await given({ prompt, maxNewTokens: 5, onProgress: (progress) => seen.push(progress) });
    for (const phase of ["generate", "attribute"] as const) {
      const steps = seen.filter((progress) => progress.phase === phase);
      expect(steps.at(-1)).toMatchObject({ done: steps.at(-1)?.total });
      expect(steps.map(({ done }) => done)).toEqual(steps.map(({ done }) => done).sort((a, b) => a - b));
      expect(new Set(steps.map((step) => step.target))).toEqual(new Set([phase === "generate" ? undefined : target]));
    }
  });

  it("stops in the middle of either phase", async () => {
    for (const phase of ["generate", "attribute"] as const) {
      const controller = new AbortController();
      const reason = new Error("changed my mind");
      const error = await failure(
        given({
          prompt,
          maxNewTokens: 60,
          generation: { stopTokens: [] },
          signal: controller.signal,
          onProgress: (progress) => progress.phase === phase && controller.abort(reason),
        }),
      );
      expect(error).toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED", cause: reason });
    }
    expect(await given({ prompt, maxNewTokens: 2 })).toBeInstanceOf(Attribution);
  });

  it("does nothing for a signal that has fired", async () => {
    const error = await failure(given({ prompt, signal: AbortSignal.abort() }));
    expect(error.code).toBe("ERR_TOKENLENSE_CANCELLED");
  });
});

describe("errors", () => {
  it.each<[string, object, string, RegExp]>([
    ["an empty prompt", { prompt: "" }, "PROMPT", /empty/],
    ["a target that does not begin with the prompt", { prompt, target: "Paris" }, "TARGET", /begin/],
    ["a target that adds nothing", { prompt, target: prompt }, "TARGET", /adds nothing/],
    ["a prompt longer than the context", { prompt: "x ".repeat(200) }, "CONTEXT", /\d{3} tokens long; tiny reads 96/],
    ["a target longer than the context", { prompt, target: prompt + " x".repeat(200) }, "CONTEXT", /96/],
    ["an unknown method", { prompt, method: "salience" }, "INPUT", /"salience"/],
    ["an unknown step function", { prompt, step: "probabilty" }, "INPUT", /"probabilty"/],
    ["an unknown step score", { prompt, stepScores: ["prob"] }, "INPUT", /"prob"/],
    ["an aggregate the method does not have", { prompt, aggregate: "sum" }, "INPUT", /aggregate/],
    ["an unknown option", { prompt, promt: "x" }, "INPUT", /promt/],
    ["an option of the wrong type", { prompt, maxNewTokens: "8" }, "INPUT", /maxNewTokens.*number/],
    ["sampling out of range", { prompt, generation: { topP: 1.5 } }, "INPUT", /generation\.topP/],
    ["neither prompt nor ids", {}, "INPUT", /prompt/],
    ["a target for ids", { promptIds: Int32Array.of(5), target: "x" }, "INPUT", /targetIds/],
    ["a model by name", { model: "tiny", prompt }, "INPUT", /loadModel/],
    ["no budget", { prompt, memoryBudget: 0 }, "INPUT", /memoryBudget/],
    ["a budget nothing fits in", { prompt, memoryBudget: 1000 }, "MEMORY", /budget/],
    [
      "generation that ends at once",
      { prompt, generation: { stopTokens: [...Array(320).keys()] } },
      "TARGET",
      /at once/,
    ],
  ])("%s", async (_, options, code, message) => {
    const error = await failure(untyped(options));
    expect(error).toBeInstanceOf(TokenlenseError);
    expect(error.code).toBe(`ERR_TOKENLENSE_${code}`);
    expect(error.message).toMatch(message);
  });

  it("suggests the nearest names", async () => {
    expect((await failure(untyped({ prompt, method: "salience" }))).hint).toBe("Did you mean saliency?");
  });

  it("a model that gives no numbers", async () => {
    using broken = await loadModel(writeBrokenModel(folder));
    const error = await failure(attribute({ model: broken, prompt, target: `${prompt} Paris` }));
    expect(error.code).toBe("ERR_TOKENLENSE_NON_FINITE");
    expect(error.message).toContain("probability");
    expect((await failure(generate({ model: broken, prompt }))).code).toBe("ERR_TOKENLENSE_NON_FINITE");
  });

  it("a model that was disposed of", async () => {
    const gone = await loadModel(writeTinyModel(folder));
    gone.dispose();
    expect((await failure(attribute({ model: gone, prompt }))).code).toBe("ERR_TOKENLENSE_DISPOSED");
  });

  it("a model without what the method needs", async () => {
    const { contract } = model;
    const poor = Object.create(model, { contract: { value: { ...contract, methods: ["embed", "layer"] } } }) as Model;
    const error = await failure(attribute({ model: poor, prompt }));
    expect(error.code).toBe("ERR_TOKENLENSE_CAPABILITY");
    expect(error.message).toMatch(/saliency.*final, logits; or hidden, logits/);
  });
});

it("an attribution outlives its model, until it is disposed of", async () => {
  const brief = await loadModel(writeTinyModel(folder));
  const result = await attribute({ model: brief, prompt, maxNewTokens: 2 });
  brief.dispose();
  const before = result.scores.slice();
  expect(result.scores).toEqual(before);
  result.dispose();
  expect(() => result.scores).toThrow(TokenlenseError);
});
