import { afterAll, expect, it } from "vitest";
import { attribute, checkRandomisation, compare, loadModel, randomiseModel } from "../../src/index.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";

const model = await loadModel(writeTinyModel(temporaryFolder()));
afterAll(() => model.dispose());

const prompt = "The quick brown fox jumps over the lazy dog because";
const shared = { model, prompt, maxNewTokens: 4, generation: { stopTokens: [] } };

it("a randomised model is another model with the same tokenizer", async () => {
  const own = await attribute({ ...shared, target: `${prompt} it can` });
  using other = await randomiseModel(model);
  const same = { ...shared, model: other, target: `${prompt} it can` };
  const [first, second] = [await attribute(same), await attribute(same)];
  expect(first.tokens).toEqual(own.tokens);
  expect(first.scores).not.toEqual(own.scores);
  expect(second.scores).toEqual(first.scores);
  expect((await attribute({ ...shared, target: `${prompt} it can` })).scores).toEqual(own.scores);
});

it("attention does not depend on the head, even one that is the embedding, and depends on the rest", async () => {
  const { result, stages } = await checkRandomisation({ ...shared, method: "attention", randomise: [0, 3, "all"] });
  expect(result.outputs).toBe(4);
  expect(stages.map(({ randomised }) => randomised)).toEqual([0, 3, "all"]);
  expect(stages[0]?.agreement.spearman).toBeCloseTo(1, 10);
  expect(stages[0]?.agreement.outputs).toHaveLength(4);
  for (const stage of stages.slice(1)) expect(stage.agreement.spearman).toBeLessThan(0.99);
});

it("a gradient depends on all, and each stage is that of a model randomised as far", async () => {
  const target = `${prompt} it can`;
  const seen = new Set<string>();
  const { result, stages } = await checkRandomisation({
    ...{ ...shared, target, method: "input_x_gradient", randomise: [1, "all"], randomSeed: 4 },
    onProgress: ({ attribution, attributions }) => seen.add(`${attribution} of ${attributions}`),
  });
  expect([...seen]).toEqual(["0 of 3", "1 of 3", "2 of 3"]);
  const own = await attribute({ model, prompt, target, method: "input_x_gradient" });
  expect(result.scores).toEqual(own.scores);
  using other = await randomiseModel(model, { layers: 1, seed: 4 });
  const there = await attribute({ model: other, prompt, target, method: "input_x_gradient" });
  expect(stages[0]?.agreement.spearman).toBe(compare([own, there])[0]?.spearman);
  for (const { agreement } of stages) expect(agreement.spearman).toBeLessThan(0.99);
});

it("refuses what it cannot do, and stops", async () => {
  await expect(checkRandomisation({ ...shared, randomise: [] })).rejects.toMatchObject({
    code: "ERR_TOKENLENSE_INPUT",
  });
  await expect(randomiseModel(model, { layers: -1 })).rejects.toMatchObject({ code: "ERR_TOKENLENSE_INPUT" });
  const controller = new AbortController();
  const stopped = checkRandomisation({
    ...{ ...shared, signal: controller.signal },
    onProgress: ({ attribution }) => attribution > 0 && controller.abort(),
  });
  await expect(stopped).rejects.toMatchObject({ code: "ERR_TOKENLENSE_CANCELLED" });
});
