import { expect, test } from "vitest";
import { type AttributeOptions, attribute } from "../../src/attribute.js";
import { attributeMany } from "../../src/attribute-many.js";
import { native } from "../../src/install/binding.js";
import { type MethodName, methods } from "../../src/methods/index.js";
import { loadModel } from "../../src/models/model.js";
import type { PerturbationPlan } from "../../src/native.js";
import { LOGIT } from "../methods/plans.js";
import { relativeError } from "../native/random-model.js";
import { temporaryFolder } from "../tiny-model.js";
import { FAMILY_GOLDENS, type FamilyGolden, writeFamilyFolder } from "./family-files.js";

// A model with LongRoPE reads texts of more than 12 tokens by other positions. Outputs on both sides of that are attributed as each would
// be by itself; families-peer.test.ts holds their logits, and gradients beyond it, to transformers.

const golden = FAMILY_GOLDENS.find(({ name }) => name === "phi3 beyond its original context") as FamilyGolden;
const model = await loadModel(writeFamilyFolder(temporaryFolder(), golden), { device: "cpu" });
const SWITCH = 12;
const [FIRST, END] = [9, 17];
const ids = Int32Array.from(golden.cases.find((one) => one.ids.length === END)?.ids as number[]);
const contrastIds = ids.map((id, i) => (i < FIRST ? id : (id + 5) % 48));

/** Of a result by its outputs: those of one, in the rows before it. */
function column(values: Float32Array, shape: readonly number[], output: number, rows: number): number[] {
  const inner = shape.slice(2).reduce((product, n) => product * n, 1);
  const at = (row: number) => (row * (shape[1] as number) + output) * inner;
  return Array.from({ length: rows }, (_, row) => [...values.subarray(at(row), at(row) + inner)]).flat();
}

/** Their chance depends on how long the whole text is. */
const DRAWN: readonly string[] = ["lime", "reagent", "gradient_shap"];
const options: Partial<Record<MethodName, object>> = {
  integrated_gradients: { steps: 5 },
  sequential_integrated_gradients: { steps: 2 },
  layer_integrated_gradients: { steps: 3, layer: 1 },
  discretized_integrated_gradients: { steps: 3 },
  layer_deeplift: { layer: 1 },
  attention: { mean: false },
  occlusion: { window: 2 },
};

test.each(Object.keys(methods).filter((name) => !DRAWN.includes(name)) as MethodName[])(
  "%s of a text beyond the switch is that of each output alone",
  async (method) => {
    const of = (first: number, end: number) =>
      attribute({
        ...{ model, method, options: options[method] ?? {} },
        promptIds: ids.slice(0, first),
        targetIds: ids.slice(0, end),
        ...(method === "saliency"
          ? { contrast: { ids: contrastIds.slice(0, end), promptLength: first }, step: "contrast_prob_diff" as const }
          : {}),
        stepScores: ["logit"],
      });
    const whole = await of(FIRST, END);
    for (let position = FIRST; position < END; position++) {
      const alone = await of(position, position + 1);
      const output = position - FIRST;
      const found = column(whole.scores, whole.shape, output, position);
      expect(relativeError(found, column(alone.scores, alone.shape, 0, position)), `${position}`).toBeLessThan(1e-4);
      const rest = column(whole.scores, whole.shape, output, END).slice(found.length);
      expect(rest.every((value) => value === 0)).toBe(true);
      expect(whole.stepScores.logit?.[output]).toBeCloseTo(alone.stepScores.logit?.[0] as number, 4);
      if (alone.convergenceDeltas)
        expect(whole.convergenceDeltas?.[output]).toBeCloseTo(alone.convergenceDeltas[0] as number, 4);
      expect(whole.pathSteps?.[output]).toBe(alone.pathSteps?.[0]);
    }
    // What this is about: read as one text, the beginning would be another.
    expect(whole.shape.slice(0, 2)).toEqual([END, END - FIRST]);
    expect(FIRST < SWITCH && SWITCH < END).toBe(true);
  },
);

test("methods that draw give numbers for every output", async () => {
  for (const method of DRAWN as MethodName[]) {
    const result = await attribute({ model, method, promptIds: ids.slice(0, FIRST), targetIds: ids });
    expect(result.shape.slice(0, 2)).toEqual([END, END - FIRST]);
    for (let output = 0; output < END - FIRST; output++)
      expect(column(result.scores, result.shape, output, END).some((value) => value !== 0)).toBe(true);
  }
});

test("values of texts with tokens replaced are those of each alone", async () => {
  const plan = (
    first: number,
    end: number,
    masks: number[][],
    texts: number[],
    outputs: number[],
  ): PerturbationPlan => ({
    ...{ kind: "perturbation", perturbation: "masked", engine: "auto", memoryBudget: 2 ** 30 },
    ...{ ids: ids.slice(0, end), promptLength: first, step: LOGIT, stepScores: [], baseline: { kind: "zero" } },
    masks: Uint8Array.from(masks.flatMap((mask) => mask.slice(0, end - 1))),
    ...{ texts: Int32Array.from(texts), outputs: Int32Array.from(outputs) },
  });
  const values = async (asked: PerturbationPlan) => {
    const { scores } = await native().attribute(model.native, asked).promise;
    return [...(scores.data() as Float32Array)];
  };
  const masks = [0, 1, 2].map((text) => Array.from({ length: END - 1 }, (_, i) => ((i * 7 + text) % 3 === 0 ? 0 : 1)));
  const pairs = [
    [2, 6],
    [0, 1],
    [1, 3],
    [0, 7],
    [2, 0],
  ] as const; // text, output: both sides in turn
  const found = await values(
    plan(
      FIRST,
      END,
      masks,
      pairs.map(([text]) => text),
      pairs.map(([, output]) => output),
    ),
  );
  for (const [v, [text, output]] of pairs.entries()) {
    const position = FIRST + output;
    const [alone] = await values(plan(position, position + 1, [masks[text] as number[]], [0], [0]));
    expect(found[v]).toBeCloseTo(alone as number, 4);
  }
  expect(found).toHaveLength(pairs.length);
});

test("progress of both sides is one", async () => {
  const seen: number[] = [];
  await attribute({
    ...{ model, method: "occlusion", promptIds: ids.slice(0, FIRST), targetIds: ids },
    onProgress: ({ done, total }) => seen.push(done / total),
  });
  expect(seen.at(-1)).toBe(1);
  expect(seen.every((share, i) => i === 0 || share >= (seen[i - 1] as number))).toBe(true);
});

test("several texts at once, on both sides of the switch and across it, are each as alone", async () => {
  const inputs = [
    ...[5, 8, 11, 13].map((length) => ({ promptIds: ids.slice(0, length), maxNewTokens: 5 })),
    ...[7, 9].map((length) => ({ promptIds: ids.slice(0, length), targetIds: ids.slice(0, length + 5) })),
  ];
  let seen = 0;
  for await (const { index, result, error } of attributeMany(inputs, { model, generation: { stopTokens: [] } })) {
    if (error) throw error;
    seen++;
    const alone = await attribute({ model, ...inputs[index], generation: { stopTokens: [] } } as AttributeOptions);
    expect(result.tokens.map((token) => token.id)).toEqual(alone.tokens.map((token) => token.id));
    expect(relativeError(result.scores, alone.scores)).toBeLessThan(1e-5);
  }
  expect(seen).toBe(inputs.length);
});
