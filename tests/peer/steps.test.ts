import { expect, it } from "vitest";
import { decodeFloats, distance } from "../../bench/numbers.js";
import type { Model } from "../../src/index.js";
import { resolveStep } from "../../src/steps/index.js";
import { run } from "../methods/plans.js";
import { exact } from "./exact.js";
import { contrastOf, goldens, loaded, type StepGolden, TOLERANCE } from "./goldens.js";

const optionNames: Record<string, string> = { top_k: "topK", top_p: "topP" };
// Dropout is drawn by each program's own generator, and neither model has any.
const scored = goldens.steps.filter(({ name }) => name !== "mc_dropout_prob_avg");
it.each(
  scored.map((golden): [string, StepGolden] => [
    `${golden.model}: ${golden.name} ${JSON.stringify({ ...golden.options, contrast: golden.contrast })}`,
    golden,
  ]),
)("%s as a step score is Inseq's", async (_, { model, name, contrast, options, float32, float64 }) => {
  const { ids, promptLength } = goldens.models[model] as (typeof goldens.models)[string];
  const { spec } = resolveStep({
    name,
    ...Object.fromEntries(Object.entries(options).map(([key, value]) => [optionNames[key] ?? key, value])),
  });
  const { stepScores } = await run((loaded.get(model) as Model).native, {
    ids: Int32Array.from(ids),
    promptLength,
    step: exact("probability"),
    stepScores: [spec],
    memoryBudget: 2 ** 30,
    engine: "auto",
    kind: "perturbation",
    perturbation: "none",
    ...contrastOf({ model, step: name, stepOptions: contrast === null ? {} : { contrast } }),
  });
  // Inseq's fails for some of one sequence, and divides infinities where it filters: there the plain value is the reference.
  const theirs = float32?.value && decodeFloats(float32.value.data);
  const plain = float64 ? decodeFloats(float64.value.data) : new Float32Array();
  const reference = theirs?.every(Number.isFinite) ? theirs : plain;
  expect(distance(stepScores[name] as Float32Array, reference)).toBeLessThan(TOLERANCE);
});
