import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type AttributeOptions,
  attribute,
  loadModel,
  type Model,
  registerStep,
  type StepTensors,
  steps,
  TokenlenseError,
} from "../../src/index.js";
import { relativeError } from "../native/random-model.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";

const folder = temporaryFolder();
let model: Model;
beforeAll(async () => {
  model = await loadModel(writeTinyModel(folder));
});
afterAll(() => model.dispose());

const PROMPT = "The sky over the sea is";
const TARGET = `${PROMPT} blue and wide`;
const CONTRAST = `${PROMPT} grey and cold, they say`;
const run = (options: Omit<AttributeOptions, "model" | "prompt" | "target">) =>
  attribute({ model, prompt: PROMPT, target: TARGET, ...options });
const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as TokenlenseError;

/** The tensors of a text's steps, as a step function in TypeScript sees them. */
async function tensorsOf(prompt: string, target: string): Promise<StepTensors> {
  let seen: StepTensors | undefined;
  const look = {
    name: "look",
    summary: "",
    score: (tensors: StepTensors) => {
      seen = { ...tensors, logits: tensors.logits.slice(), targets: tensors.targets.slice() };
      return new Float32Array(tensors.outputs);
    },
  };
  await attribute({ model, prompt, target, method: "dummy", stepScores: [look] });
  return seen as StepTensors;
}

const row = ({ logits, vocabulary }: StepTensors, output: number) =>
  Array.from(logits.subarray(output * vocabulary, (output + 1) * vocabulary));
function logSoftmax(logits: number[]): number[] {
  const top = Math.max(...logits);
  const sum = Math.log(logits.reduce((total, logit) => total + Math.exp(logit - top), 0)) + top;
  return logits.map((logit) => logit - sum);
}
const at = (list: ArrayLike<number>, index: number) => list[index] as number;

/** Tokens outside the nucleus, as Inseq's top_p_logits_mask: ascending, while the mass is no more than 1 − p. */
function outside(logits: number[], topP: number, keep = 1): boolean[] {
  const order = logits.map((_, i) => i).sort((a, b) => at(logits, a) - at(logits, b));
  const p = logSoftmax(logits).map(Math.exp);
  const removed = logits.map(() => false);
  let mass = 0;
  for (const [rank, i] of order.entries()) {
    mass += at(p, i);
    removed[i] = mass <= 1 - topP && rank < logits.length - keep;
  }
  return removed;
}

describe("step scores are their definitions, computed from the logits", () => {
  let own: StepTensors;
  let other: StepTensors;
  beforeAll(async () => {
    own = await tensorsOf(PROMPT, TARGET);
    other = await tensorsOf(PROMPT, CONTRAST);
  });

  type Definition = (own: number[], target: number, other: number[], contrast: number) => number;
  const p: (logits: number[], id: number) => number = (logits, id) => Math.exp(at(logSoftmax(logits), id));
  const kl = (own: number[], other: number[], kept: (i: number) => boolean) => {
    const cut = (logits: number[]) => logSoftmax(logits.map((logit, i) => (kept(i) ? logit : -Infinity)));
    const [a, b] = [cut(own), cut(other)];
    return a.reduce((sum, logarithm, i) => (kept(i) ? sum + Math.exp(logarithm) * (logarithm - at(b, i)) : sum), 0);
  };
  const together = (own: number[], other: number[]) => own.map((logit, i) => logit + at(other, i));
  const definitions: [string, AttributeOptions["step"] & {}, Definition][] = [
    ["probability", "probability", (l, t) => p(l, t)],
    ["logit", "logit", (l, t) => at(l, t)],
    ["crossentropy", "crossentropy", (l, t) => -Math.log(p(l, t))],
    ["entropy", "entropy", (l) => -logSoftmax(l).reduce((sum, x) => sum + Math.exp(x) * x, 0)],
    ["perplexity", "perplexity", (l, t) => 2 ** -Math.log(p(l, t))],
    ["contrast_logits", "contrast_logits", (_, __, o, c) => at(o, c)],
    ["contrast_prob", "contrast_prob", (_, __, o, c) => p(o, c)],
    ["contrast_logits_diff", "contrast_logits_diff", (l, t, o, c) => at(l, t) - at(o, c)],
    ["contrast_prob_diff", "contrast_prob_diff", (l, t, o, c) => p(l, t) - p(o, c)],
    ["pcxmi", "pcxmi", (l, t, o, c) => -Math.log2(p(l, t) / p(o, c))],
    ["in_context_pvi", "in_context_pvi", (l, t, o, c) => Math.log(p(o, c)) - Math.log(p(l, t))],
    ["kl_divergence", "kl_divergence", (l, _, o) => kl(l, o, () => true)],
    [
      "kl_divergence of topK",
      { name: "kl_divergence", topK: 7 },
      (l, _, o) => {
        const least = [...together(l, o)].sort((a, b) => b - a)[6] as number;
        return kl(l, o, (i) => at(together(l, o), i) >= least);
      },
    ],
    [
      "kl_divergence of topP",
      { name: "kl_divergence", topP: 0.6 },
      (l, _, o) => {
        const removed = outside(together(l, o), 0.6);
        return kl(l, o, (i) => !removed[i]);
      },
    ],
    ["top_p_size", { name: "top_p_size", topP: 0.7 }, (l) => outside(l, 0.7).filter((removed) => !removed).length],
  ];

  it.each(definitions)("%s", async (_, step, definition) => {
    const name = typeof step === "string" ? step : step.name;
    const { stepScores } = await run({ method: "dummy", stepScores: [step], contrast: CONTRAST });
    const expected = Array.from({ length: own.outputs }, (_, output) =>
      definition(row(own, output), at(own.targets, output), row(other, output), at(other.targets, output)),
    );
    expect(relativeError(stepScores[name] as Float32Array, expected)).toBeLessThan(2e-5);
  });

  it("and every built-in one is among them, but for the one with dropout", () => {
    const tested = new Set(definitions.map(([, step]) => (typeof step === "string" ? step : step.name)));
    expect(Object.keys(steps).filter((name) => !tested.has(name))).toEqual(["mc_dropout_prob_avg"]);
  });
});

describe("mc_dropout_prob_avg", () => {
  const score = async (options: object) =>
    (await run({ method: "dummy", stepScores: [{ name: "mc_dropout_prob_avg", ...options }] })).stepScores
      .mc_dropout_prob_avg as Float32Array;

  it("is the same for the same seed, and another for another", async () => {
    expect(await score({ seed: 3 })).toEqual(await score({ seed: 3 }));
    expect(await score({ seed: 4 })).not.toEqual(await score({ seed: 3 }));
  });

  it("is the distance from the noisy passes' mean in their deviations", async () => {
    // Almost no dropout leaves almost no noise: the deviation shrinks with the difference, and the quotient stays small.
    const values = await score({ rate: 0.2, passes: 400 });
    const { stepScores } = await run({ method: "dummy", stepScores: ["probability"] });
    for (const value of values) expect(Math.abs(value)).toBeLessThan(8);
    expect(values.length).toBe(stepScores.probability?.length);
  });

  it("scales the probability's gradient, as the noise is constant to it", async () => {
    const noisy = await run({ step: { name: "mc_dropout_prob_avg", seed: 1 } });
    const plain = await run({ step: "probability" });
    for (let output = 0; output < noisy.outputs; output++) {
      const column = (scores: Float32Array) =>
        Array.from({ length: noisy.promptLength }, (_, s) => at(scores, s * noisy.outputs + output));
      const scale = at(column(noisy.scores), 0) / at(column(plain.scores), 0);
      expect(
        relativeError(
          column(noisy.scores),
          column(plain.scores).map((score) => score * scale),
        ),
      ).toBeLessThan(1e-4);
    }
  });
});

describe("a contrast", () => {
  it("is attributed after the output's own prefix: the difference of the two tokens' gradients", async () => {
    const keep = { method: "input_x_gradient", aggregate: "none" } as const;
    const difference = await run({ ...keep, contrast: CONTRAST });
    expect(difference.step).toBe("contrast_prob_diff");
    const target = await run({ ...keep, step: "probability" });
    // The contrast's token in place of the output, after the output's prefix.
    const other = model.tokenizer.encode(CONTRAST);
    const ids = Int32Array.from(target.tokens, ({ id }) => id);
    const width = target.shape[2] as number;
    for (let output = 0; output < target.outputs; output++) {
      const position = target.promptLength + output;
      const replaced = Int32Array.from([...ids.subarray(0, position), at(other, position)]);
      const single = await attribute({
        model,
        promptIds: replaced.subarray(0, position),
        targetIds: replaced,
        ...keep,
      });
      const column = (scores: Float32Array, outputs: number, which: number) =>
        Array.from({ length: position * width }, (_, i) =>
          at(scores, (Math.floor(i / width) * outputs + which) * width + (i % width)),
        );
      const expected = column(target.scores, target.outputs, output).map(
        (score, i) => score - at(column(single.scores, 1, 0), i),
      );
      // Where both tokens are the same the difference is nothing: errors are shares of the target's own gradient.
      const largest = Math.max(...column(target.scores, target.outputs, output).map(Math.abs));
      for (const [i, score] of column(difference.scores, target.outputs, output).entries())
        expect(Math.abs(score - at(expected, i)) / largest).toBeLessThan(1e-4);
    }
  });

  it("may have another prompt, whose own prefix step scores read", async () => {
    const elsewhere = { prompt: "In winter the sky is", target: "In winter the sky is blue and wide" };
    const { stepScores } = await run({ method: "dummy", stepScores: ["contrast_prob"], contrast: elsewhere });
    const alone = await attribute({ model, ...elsewhere, method: "dummy" });
    const count = stepScores.contrast_prob?.length ?? 0;
    expect(
      relativeError(
        stepScores.contrast_prob as Float32Array,
        (alone.stepScores.probability as Float32Array).slice(0, count),
      ),
    ).toBeLessThan(1e-5);
  });

  it("with its own prefix does not pass the gradient", async () => {
    const elsewhere = { prompt: "In winter the sky is", target: "In winter the sky is blue and wide", ownPrefix: true };
    const forced = await run({ contrast: elsewhere });
    expect(relativeError(forced.scores, (await run({ step: "probability" })).scores)).toBeLessThan(1e-5);
    // kl_divergence always reads it so.
    const divergence = await run({ step: "kl_divergence", contrast: { ...elsewhere, ownPrefix: false } });
    expect(Math.max(...divergence.scores)).toBeGreaterThan(0);
  });

  it("must have a counterpart for each output, and begin with its prompt", async () => {
    expect(await failure(run({ contrast: `${PROMPT} red` }))).toMatchObject({ code: "ERR_TOKENLENSE_TARGET" });
    expect(await failure(run({ contrast: "something else entirely" }))).toMatchObject({
      code: "ERR_TOKENLENSE_TARGET",
    });
    expect(await failure(run({ step: "pcxmi" }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("needs a contrast"),
    });
  });
});

describe("a step function of one's own", () => {
  it("in TorchScript is attributed and scored", async () => {
    const source =
      "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return 2 * logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)\n";
    registerStep({ name: "twice_the_logit", summary: "", source });
    const twice = await run({ step: "twice_the_logit", stepScores: ["twice_the_logit", "logit"] });
    const once = await run({ step: "logit" });
    expect(
      relativeError(
        twice.scores,
        once.scores.map((score) => 2 * score),
      ),
    ).toBeLessThan(1e-5);
    expect(twice.stepScores.twice_the_logit).toEqual(twice.stepScores.logit?.map((logit) => 2 * logit));
  });

  it("in TypeScript is scored, and not attributed", async () => {
    const rank = {
      name: "rank",
      summary: "How many tokens are likelier than the target.",
      score: ({ logits, targets, vocabulary }: StepTensors) =>
        Array.from(targets, (target, output) => {
          const own = logits.subarray(output * vocabulary, (output + 1) * vocabulary);
          return own.filter((logit) => logit > (own[target] as number)).length;
        }),
    };
    const { stepScores } = await run({ stepScores: [rank, "probability"] });
    expect(Object.keys(stepScores)).toEqual(["rank", "probability"]);
    expect(stepScores.rank?.every((value) => Number.isInteger(value) && value >= 0)).toBe(true);
    expect(await failure(run({ step: rank }))).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    const wrong = { ...rank, score: () => [1] };
    expect(await failure(run({ stepScores: [wrong] }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("gave 1 values"),
    });
  });

  it("that does not compile or asks for what no step has says so", async () => {
    for (const source of [
      "def step(logits: Tensor) -> Tensor:\n    return logits +",
      "def step(weights: Tensor) -> Tensor:\n    return weights\n",
    ]) {
      const error = await failure(run({ step: { name: "broken", summary: "", source } }));
      expect(error).toBeInstanceOf(TokenlenseError);
      expect(error).toMatchObject({ code: "ERR_TOKENLENSE_INPUT", message: expect.stringContaining("broken") });
    }
  });
});
