import { expect, it } from "vitest";
import { uniform } from "../../src/methods/draw.js";
import type { NativeModel } from "../../src/native.js";
import { FAMILY, randomIds, randomModels } from "../native/random-model.js";
import { base, run, SMALL } from "./plans.js";

const rankOf = {
  name: "rank",
  source:
    "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return (logits > logits.gather(-1, targets.unsqueeze(-1))).sum(-1).to(logits.dtype)\n",
};

it("ReAGent is its definition, written out probe by probe, with the same draws", async () => {
  const [model] = (await randomModels(SMALL, 41, FAMILY)) as [NativeModel];
  const text = { ids: randomIds(9, SMALL.vocabulary, 42), promptLength: 7 };
  const { ids, promptLength } = text;
  const [rows, outputs, probes, steps] = [8, 2, 3, 5];
  const next = uniform(43);
  const draws = {
    importance: Float64Array.from({ length: probes * outputs * rows }, next),
    replaced: Uint8Array.from({ length: steps * probes * rows }, () => (next() < 0.4 ? 1 : 0)),
    tokens: Int32Array.from({ length: steps * probes * rows }, () => Math.floor(next() * SMALL.vocabulary)),
    tests: Int32Array.from({ length: steps * probes * outputs * rows }, () => Math.floor(next() * SMALL.vocabulary)),
  };
  const [keepTopN, stopTopK] = [3, 4];
  const plan = {
    ...base(text),
    kind: "perturbation",
    perturbation: "reagent",
    seed: 0,
    probes,
    mostSteps: steps,
    stopTopK,
    keepTopN,
    replaceRatio: 0.4,
    candidates: new Int32Array(),
    draws,
  } as const;
  const actual = await run(model, plan);

  const scoreAfter = async (prefix: number[], target: number, step = base(text).step) =>
    (
      await run(model, {
        ...base({ ids: Int32Array.from([...prefix, target]), promptLength: prefix.length }, step),
        kind: "perturbation",
        perturbation: "none",
      })
    ).stepScores[step.name]?.[0] as number;
  let stoppedAny = 0;
  for (let output = 0; output < outputs; output++) {
    const length = promptLength + output;
    const own = Array.from(ids.subarray(0, length));
    const target = ids[length] as number;
    const original = await scoreAfter(own, target);
    const finals: { scores: number[]; stopped: boolean }[] = [];
    for (let probe = 0; probe < probes; probe++) {
      let logits = own.map((_, i) => draws.importance[(probe * outputs + output) * rows + i] as number);
      let stopped = false;
      for (let step = 0; step < steps && !stopped; step++) {
        const at = (step * probes + probe) * rows;
        const replaced = own.map((_, i) => draws.replaced[at + i] === 1);
        const changed = own.map((id, i) => (replaced[i] ? (draws.tokens[at + i] as number) : id));
        const drop = original - (await scoreAfter(changed, target));
        logits = logits.map((logit, i) => {
          const share = (replaced[i] ? drop : -drop) * 0.5 + 0.5;
          return logit + Math.log(share / (1 - share));
        });
        const kept = logits
          .map((_, i) => i)
          .sort((a, b) => (logits[b] as number) - (logits[a] as number))
          .slice(0, keepTopN);
        const tested = own.map((id, i) =>
          kept.includes(i) ? id : (draws.tests[((step * probes + probe) * outputs + output) * rows + i] as number),
        );
        stopped = (await scoreAfter(tested, target, rankOf)) < stopTopK;
      }
      const top = Math.max(...logits);
      const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
      finals.push({ scores: logits.map((logit) => Math.exp(logit - top) / sum), stopped });
      if (stopped) stoppedAny++;
    }
    const some = finals.some(({ stopped }) => stopped);
    const counted = finals.filter(({ stopped }) => stopped || !some);
    for (let position = 0; position < rows; position++) {
      const expected =
        position < length
          ? counted.reduce((sum, { scores }) => sum + (scores[position] as number), 0) / counted.length
          : 0;
      expect(actual.scores[position * outputs + output]).toBeCloseTo(expected, 5);
    }
  }
  // Some probes stop and some do not, or half of the definition was not tried.
  expect(stoppedAny).toBeGreaterThan(0);
  expect(stoppedAny).toBeLessThan(probes * outputs);
  model.dispose();
});

it("ReAGent is the same for the same seed, and its scores are shares", async () => {
  const [model] = (await randomModels(SMALL, 44, FAMILY)) as [NativeModel];
  const text = { ids: randomIds(12, SMALL.vocabulary, 45), promptLength: 6 };
  const plan = (seed: number) =>
    ({
      ...base(text),
      kind: "perturbation",
      perturbation: "reagent",
      seed,
      probes: 4,
      mostSteps: 6,
      stopTopK: 3,
      keepTopN: 2,
      replaceRatio: 0.3,
      candidates: Int32Array.of(1, 2, 3),
    }) as const;
  const first = await run(model, plan(1));
  expect((await run(model, plan(1))).scores).toEqual(first.scores);
  expect((await run(model, plan(2))).scores).not.toEqual(first.scores);
  for (let output = 0; output < 6; output++) {
    const column = Array.from({ length: 12 }, (_, s) => first.scores[s * 6 + output] as number);
    expect(column.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
  }
  model.dispose();
});
