import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Attribution,
  attribute,
  faithfulness,
  loadModel,
  type MethodName,
  type Model,
  methods,
} from "../../src/index.js";
import { temporaryFolder } from "../tiny-model.js";
import { plantedText, writePlantedModel } from "./planted-model.js";

let model: Model;
const texts = [1, 2, 3].map((seed) => plantedText(24, 3, seed));

beforeAll(async () => {
  model = await loadModel(writePlantedModel(temporaryFolder()));
});
afterAll(() => model.dispose());

/** Of chance as much as the clues need; by tokens, where a vector of zeros would blind the head that looks for them. */
const options: Partial<Record<MethodName, Record<string, unknown>>> = {
  lime: { samples: 400, baseline: "unk" },
  reagent: { keepTopN: 2, stopTopK: 1, probes: 48 },
};

const attributed = (method: MethodName) =>
  Promise.all(
    texts.map(({ promptIds, targetIds }) =>
      attribute({ model, promptIds, targetIds, method, options: options[method], stepScores: ["probability"] }),
    ),
  );

/** Positions of the two largest scores of an output. */
function firstTwo({ tokenScores, outputs, promptLength }: Attribution, output: number): number[] {
  return Array.from({ length: promptLength + output }, (_, position) => position)
    .sort((a, b) => (tokenScores[b * outputs + output] as number) - (tokenScores[a * outputs + output] as number))
    .slice(0, 2)
    .sort((a, b) => a - b);
}

it("the planted model answers by its clues alone", async () => {
  for (const { promptIds, targetIds, clues } of texts) {
    const probability = async (changed: readonly number[]) => {
      const ids = targetIds.map((id, position) => (changed.includes(position) ? 0 : id));
      const { stepScores } = await attribute({
        ...{ model, promptIds: ids.slice(0, promptIds.length), targetIds: ids },
        ...{ method: "dummy", stepScores: ["probability"] },
      });
      return stepScores.probability?.[0] as number;
    };
    const others = [...promptIds.keys()].slice(0, -1).filter((position) => !clues.includes(position));
    expect(await probability([])).toBeGreaterThan(0.8);
    expect(await probability(others)).toBeGreaterThan(0.8);
    expect(await probability(clues)).toBeLessThan(0.02);
    for (const clue of clues) expect(await probability([clue])).toBeLessThan(0.5);
  }
});

// Its paths go through words that lie between a token and the baseline, and in a vocabulary of random vectors none do.
const PATHLESS = "discretized_integrated_gradients";

const should = Object.values(methods).filter(
  ({ name, cost }) => cost !== "forward" && name !== "dummy" && name !== PATHLESS,
);

describe.each(should.map(({ name }) => name as MethodName))("%s", (method) => {
  it("finds the planted tokens, and is told from random orders by every figure", async () => {
    const results = await attributed(method);
    for (const [i, result] of results.entries())
      for (let output = 0; output < result.outputs; output++) expect(firstTwo(result, output)).toEqual(texts[i]?.clues);
    const { mean } = await faithfulness(results, { model, step: "probability" });
    expect(mean.meanComprehensiveness.interval?.[0]).toBeGreaterThan(0);
    expect(mean.insertionArea.interval?.[0]).toBeGreaterThan(0);
    expect(mean.meanSufficiency.interval?.[1]).toBeLessThan(0);
    expect(mean.deletionArea.interval?.[1]).toBeLessThan(0);
    // Without the two clues nothing is left; with them alone, all is there.
    expect(mean.comprehensiveness[2]?.attribution).toBeGreaterThan(0.7);
    expect(Math.abs(mean.sufficiency[2]?.attribution as number)).toBeLessThan(0.1);
  });
});

it("an attribution that says nothing is not told from random orders, and one turned over is worse", async () => {
  const nothing = await faithfulness(await attributed("dummy"), { model });
  for (const { interval } of [nothing.mean.deletionArea, nothing.mean.insertionArea]) {
    expect(interval?.[0]).toBeLessThan(0);
    expect(interval?.[1]).toBeGreaterThan(0);
  }
  const results = await attributed("occlusion");
  for (const { scores } of results)
    scores.forEach((score, i) => {
      scores[i] = -score;
    });
  const turned = await faithfulness(results, { model });
  expect(turned.mean.meanComprehensiveness.interval?.[1]).toBeLessThan(0);
  expect(turned.mean.deletionArea.interval?.[0]).toBeGreaterThan(0);
  // By size they are as they were.
  const sizes = await faithfulness(results, { model, rank: "size" });
  expect(sizes.mean.meanComprehensiveness.interval?.[0]).toBeGreaterThan(0);
});

it("a method that finds one of two planted tokens is told from one that finds both", async () => {
  const results = await attributed(PATHLESS);
  const found = results.map(
    (result, i) => firstTwo(result, 0).filter((place) => texts[i]?.clues.includes(place)).length,
  );
  expect(found).not.toContain(0);
  expect(found).toContain(1);
  const half = await faithfulness(results, { model });
  const whole = await faithfulness(await attributed("occlusion"), { model });
  expect(half.mean.meanComprehensiveness.difference).toBeGreaterThan(0);
  expect(half.mean.meanSufficiency.attribution).toBeGreaterThan(whole.mean.meanSufficiency.attribution + 0.1);
  expect(half.mean.insertionArea.attribution).toBeLessThan(whole.mean.insertionArea.attribution - 0.1);
});
