import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { AggregationStep } from "../../src/aggregation/index.js";
import { Attribution } from "../../src/result.js";
import { example } from "../example.js";

interface Entry {
  tokens: string[];
  ids: number[];
  promptLength: number;
  shape: number[];
  /** Null where Inseq has NaN. */
  scores: (number | null)[];
  stepScores: Record<string, number[]>;
}

interface GoldenStep {
  by: string;
  with?: string;
  function?: string;
}

interface Golden {
  attributions: Record<string, Entry>;
  cases: { of: string; steps: (string | GoldenStep)[]; normalised: "inseq" | "rescale" | null; result: Entry }[];
  defaults: Record<"layer head" | "layer head, not normalised" | "embedding", Entry>;
}

const golden = JSON.parse(readFileSync(new URL("../goldens/aggregation.json", import.meta.url), "utf8")) as Golden;

function attribution(name: string): Attribution {
  const entry = golden.attributions[name];
  if (!entry) throw new Error(`No attribution "${name}" among the goldens.`);
  const { tokens, ids, promptLength, shape, scores, stepScores } = entry;
  const dimensions = ["embedding", "layer", "head"].filter((dimension) => name.includes(dimension));
  return new Attribution({
    ...example([], ["x"]),
    scores: Float32Array.from(scores, (score) => score ?? 0),
    tokens: tokens.map((token, i) => ({
      token,
      text: token.replace(/^[Ġ▁]/, " "),
      id: ids[i] as number,
      role: i < promptLength ? "prompt" : "target",
      start: 0,
      end: 0,
    })),
    promptLength,
    shape,
    dimensions,
    stepScores: Object.fromEntries(
      Object.entries(stepScores).map(([step, values]) => [step, Float32Array.from(values)]),
    ),
  });
}

/** A case's step as ours: another attribution and a function of two values have only names in the file. */
function toStep(step: string | GoldenStep): AggregationStep {
  if (typeof step === "string" || step.with === undefined) return step as AggregationStep;
  const product = (first: number, second: number) => first * second;
  return { by: "pair", with: attribution(step.with), ...(step.function === undefined ? {} : { function: product }) };
}

/** Apart by at most 1e-6, as a share of the value where that is larger than 1. */
function expectClose(ours: Float32Array, theirs: readonly (number | null)[], what: string) {
  expect(ours.length, what).toBe(theirs.length);
  theirs.forEach((value, i) => {
    const apart = Math.abs((ours[i] as number) - (value ?? 0)) / Math.max(1, Math.abs(value ?? 0));
    if (!(apart <= 1e-6)) expect.fail(`${what}[${i}] is ${ours[i]}, Inseq has ${value}`);
  });
}

function expectSame(ours: Attribution, theirs: Entry, original: Attribution) {
  expect(ours.tokens.map(({ token }) => token)).toEqual(theirs.tokens);
  // A token alone in its span is still the vocabulary's, whereas Inseq gives it −1 too.
  const known = new Map(original.tokens.map(({ token, id }) => [token, id]));
  expect(ours.tokens.map(({ id }) => id)).toEqual(theirs.tokens.map((token) => known.get(token) ?? -1));
  expect(ours.tokens.map(({ role }) => role)).toEqual(
    theirs.tokens.map((_, i) => (i < theirs.promptLength ? "prompt" : "target")),
  );
  expect(ours.promptLength).toBe(theirs.promptLength);
  expect(ours.shape).toEqual(theirs.shape);
  expect(ours.dimensions).toHaveLength(theirs.shape.length - 2);
  expectClose(ours.scores, theirs.scores, "scores");
  expect(Object.keys(ours.stepScores)).toEqual(Object.keys(theirs.stepScores));
  for (const [name, values] of Object.entries(theirs.stepScores))
    expectClose(ours.stepScores[name] as Float32Array, values, name);
}

describe("Inseq's scores, tokens and step scores", () => {
  test("are there for every aggregation and function", () => {
    const steps = golden.cases.flatMap((one) => one.steps);
    const seen = (key: "by" | "function") =>
      new Set(steps.map((step) => (typeof step === "string" ? step : step[key])));
    for (const by of ["scores", "spans", "subwords", "split", "slices", "pair"]) expect(seen("by")).toContain(by);
    for (const name of ["absmax", "max", "mean", "min", "prod", "sum", "vnorm"])
      expect(seen("function")).toContain(name);
    // NaN in the middle of an output's own column is what the functions differ in.
    const kept = golden.cases.filter(({ result: { scores, shape, promptLength } }) =>
      scores.some(
        (score, i) =>
          score !== null &&
          shape.length === 2 &&
          Math.floor(i / (shape[1] ?? 1)) >= promptLength + (i % (shape[1] ?? 1)),
      ),
    );
    expect(kept.length).toBeGreaterThan(10);
  });

  test.each(
    golden.cases.map((one) => [`${one.of}: ${JSON.stringify(one.steps)} ${one.normalised ?? ""}`, one] as const),
  )("%s", (_, { of, steps, normalised, result }) => {
    const original = attribution(of);
    const aggregated = original.aggregate(steps.map(toStep));
    expectSame(normalised ? aggregated.normalised(normalised) : aggregated, result, original);
  });

  test("are our tokenScores, by Inseq's default for the kind of attribution", () => {
    const heads = attribution("byte level layer head");
    expectClose(heads.tokenScores, golden.defaults["layer head, not normalised"].scores, "mean of heads and layers");
    const scaled = heads.aggregate("scores").normalised("inseq").aggregate("scores").normalised("inseq");
    expectSame(scaled, golden.defaults["layer head"], heads);
    const embedding = attribution("byte level embedding");
    expectSame(embedding.aggregate("scores").normalised("inseq"), golden.defaults.embedding, embedding);
    expect(embedding.tokenScores).toEqual(embedding.aggregate("vnorm").scores);
  });
});
