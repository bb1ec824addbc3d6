import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { GenerationPlan, GradientPlan, NativeModel, StepFunctionSpec } from "../../src/native.js";
import { resolveStep } from "../../src/steps/index.js";
import { LOGIT, outcomeOf, rulesPlan, run, SMALL, type Text } from "../methods/plans.js";
import {
  FAMILY,
  GPT2,
  gradientPlan,
  MIXTURE,
  PROBABILITY,
  randomIds,
  randomModels,
  relativeError,
  type Sizes,
} from "./random-model.js";

// Several texts at once are each as if it were alone.

const CONTRAST = resolveStep("contrast_prob_diff").spec;
const NOISY = resolveStep("mc_dropout_prob_avg").spec;

const VARIANTS: [name: string, source: string, sizes: Sizes][] = [
  ["rotary positions", FAMILY, SMALL],
  ["a sliding window", FAMILY, { ...SMALL, attention: { window: 3 } }],
  ["ALiBi", FAMILY, { ...SMALL, attention: { rotary: 0, bias: true } }],
  ["capped scores and norms", FAMILY, { ...SMALL, attention: { softcap: 2, norms: "heads", rotary: 4 } }],
  ["learned positions", GPT2, { ...SMALL, kvHeads: SMALL.heads }],
  ["experts", MIXTURE, { ...SMALL, experts: { count: 4, used: 2, normalised: true, shared: 12 } }],
];

/** Of most a few tokens, and of lengths around the attention kernel's block of 64 rows. */
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 2, max: 24 }) },
  { weight: 1, arbitrary: fc.integer({ min: 62, max: 67 }) },
);
const texts = fc.array(
  length.chain((length) =>
    fc.record({ length: fc.constant(length), promptLength: fc.integer({ min: 1, max: length - 1 }) }),
  ),
  { minLength: 1, maxLength: 6 },
);
const textsOf = (lengths: { length: number; promptLength: number }[], seed: number): Text[] =>
  lengths.map(({ length, promptLength }, i) => ({ ids: randomIds(length, SMALL.vocabulary, seed + i), promptLength }));

async function runTogether(model: NativeModel, plans: GradientPlan[]) {
  return (await native().attributeTogether(model, plans).promise).map(outcomeOf);
}

async function expectAsAlone(model: NativeModel, plans: GradientPlan[], tolerance: number) {
  const together = await runTogether(model, plans);
  expect(together).toHaveLength(plans.length);
  for (const [i, plan] of plans.entries()) {
    const [actual, expected] = [together[i] as (typeof together)[number], await run(model, plan)];
    expect(actual.shape).toEqual(expected.shape);
    expect(actual.engine).toBe(expected.engine);
    expect(relativeError(actual.scores, expected.scores), `text ${i}`).toBeLessThan(tolerance);
    expect(Object.keys(actual.stepScores)).toEqual(Object.keys(expected.stepScores));
    for (const [name, values] of Object.entries(expected.stepScores))
      expect(relativeError(actual.stepScores[name] as Float32Array, values), name).toBeLessThan(tolerance);
    if (expected.deltas === undefined) expect(actual.deltas).toBeUndefined();
    else {
      const scale = Math.max(1, ...expected.scores.map(Math.abs));
      for (const [t, delta] of expected.deltas.entries())
        expect(Math.abs((actual.deltas?.[t] as number) - delta) / scale).toBeLessThan(1e-4);
    }
  }
}

describe.each(VARIANTS)("texts of unlike lengths, with %s", (name, source, sizes) => {
  let model: NativeModel;
  const loaded = randomModels(sizes, 4, source).then(([one]) => {
    model = one as NativeModel;
  });
  afterAll(() => model.dispose());

  it("have the scores of each alone, by every rule and from every layer", async () => {
    await loaded;
    const rules = fc.constantFrom("gradient", "attnlrp", ...(name === "experts" ? [] : ["deeplift" as const]));
    await fc.assert(
      fc.asyncProperty(
        texts,
        rules,
        fc.nat({ max: 1 }),
        fc.nat({ max: 2 ** 30 }),
        async (lengths, rule, layer, seed) => {
          const plans = textsOf(lengths, seed).map((text): GradientPlan => {
            if (rule === "deeplift")
              return rulesPlan(text, rule, { kind: "ids", ids: randomIds(text.ids.length, 50, seed) });
            return { ...rulesPlan(text, rule, undefined, LOGIT), layer, multiplyByInput: layer === 1 };
          });
          await expectAsAlone(model, plans, rule === "gradient" ? 1e-5 : 1e-4);
        },
      ),
      { numRuns: 15, seed: 20261127 },
    );
  });

  it("go on as each alone, greedily and sampled", async () => {
    await loaded;
    const generations = fc.array(
      fc.record({
        length: fc.integer({ min: 1, max: 20 }),
        maxNewTokens: fc.nat({ max: 12 }),
        temperature: fc.constantFrom(0, 1.2),
        stop: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(generations, fc.nat({ max: 2 ** 30 }), async (list, seed) => {
        const plans = list.map(
          ({ length, maxNewTokens, temperature, stop }, i): GenerationPlan => ({
            ids: randomIds(length, SMALL.vocabulary, seed + i),
            maxNewTokens,
            temperature,
            ...{ topK: 0, topP: 1, seed: i },
            stopTokens: stop ? randomIds(6, SMALL.vocabulary, seed) : new Int32Array(),
          }),
        );
        const alone: Int32Array[] = [];
        for (const plan of plans) alone.push(...(await native().generate(model, [plan]).promise));
        expect(await native().generate(model, plans).promise).toEqual(alone);
      }),
      { numRuns: 15, seed: 20261127 },
    );
  });
});

describe("texts that are attributed together", async () => {
  const [model] = (await randomModels(SMALL, 4, FAMILY)) as [NativeModel];
  afterAll(() => model.dispose());
  const plain = (ids: number, promptLength: number, options: Partial<GradientPlan> = {}) =>
    gradientPlan(randomIds(ids, SMALL.vocabulary, ids), promptLength, { reduce: "l2", ...options });

  it("may each have step functions, contrasts, logits and a reduction of their own", async () => {
    const contrasted = (step: StepFunctionSpec): Partial<GradientPlan> => ({
      step,
      contrast: { ids: randomIds(9, 50, 5), positions: Int32Array.from([4, 5, 6]), ownPrefix: false },
    });
    const plans = [
      plain(9, 6, { ...contrasted(CONTRAST), stepScores: [PROBABILITY, CONTRAST] }),
      plain(12, 3, { step: LOGIT, stepScores: [NOISY], dropout: { rate: 0.2, passes: 3, seed: 2 }, reduce: "none" }),
      plain(5, 4, { stepScores: [], logits: true, reduce: "sum", multiplyByInput: true }),
    ];
    await expectAsAlone(model, plans, 1e-5);
    const [one, , last] = await native().attributeTogether(model, plans).promise;
    expect(one?.logits).toBeUndefined();
    const alone = await native().attribute(model, plans[2] as GradientPlan).promise;
    expect(last?.logits?.shape).toEqual([1, SMALL.vocabulary]);
    const [actual, expected] = [last, alone].map((outcome) => outcome?.logits?.data() as Float32Array);
    expect(relativeError(actual as Float32Array, expected as Float32Array)).toBeLessThan(1e-5);
  });

  it("are the same where outputs of several share the head's chunks, and where memory is scarce", async () => {
    // Chunks are of up to 64 rows: texts end within one, and one goes over three.
    const plans = [plain(40, 2), plain(100, 5), plain(60, 20), plain(30, 1)];
    await expectAsAlone(model, plans, 1e-5);
    const refused = (budget: number) =>
      native()
        .attributeTogether(
          model,
          plans.map((plan, i) => (i === 2 ? { ...plan, memoryBudget: budget } : plan)),
        )
        .promise.catch((error: unknown) => error as { code: string; message: string });
    const error = (await refused(1)) as { code: string; message: string };
    expect(error.code).toBe("ERR_TOKENLENSE_MEMORY");
    const least = Number(/needs at least (\d+) MiB/.exec(error.message)?.[1]) * 2 ** 20;
    await expectAsAlone(
      model,
      plans.map((plan) => ({ ...plan, memoryBudget: least })),
      1e-5,
    );
  });

  it("share out time and arithmetic", async () => {
    const plans = [plain(10, 5), plain(30, 10)];
    const [short, long] = await native().attributeTogether(model, plans).promise;
    const rows = [5 + 6 + 7 + 8 + 9, (20 * (10 + 29)) / 2];
    for (const key of ["seconds", "flops"] as const)
      expect((long?.stats[key] as number) / (short?.stats[key] as number)).toBeCloseTo(
        (rows[1] as number) / (rows[0] as number),
        5,
      );
    expect(await native().attributeTogether(model, []).promise).toEqual([]);
    expect(await native().generate(model, []).promise).toEqual([]);
  });

  it("are refused where they cannot go together, or one cannot be done", async () => {
    const refused = (plans: unknown) =>
      expect(Promise.resolve().then(() => native().attributeTogether(model, plans as GradientPlan[]).promise)).rejects;
    await refused([plain(9, 6), plain(9, 6, { layer: 1 })]).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    await refused([plain(9, 6), rulesPlan(plain(9, 6), "attnlrp")]).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    await refused([plain(9, 6), { ...plain(9, 6), kind: "perturbation", perturbation: "none" }]).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
    });
    await refused(plain(9, 6)).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    await refused([plain(9, 6), plain(9, 9)]).toMatchObject({ code: "ERR_TOKENLENSE_TARGET" });
    await refused([plain(9, 6), plain(9, 6, { layer: 2 })]).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
    await refused([plain(9, 6), plain(9, 6, { step: CONTRAST })]).toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
  });

  it("end when they are cancelled", async () => {
    const task = native().attributeTogether(model, [plain(9, 6), plain(12, 3)]);
    task.cancel();
    await expect(task.promise).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
  });
});
