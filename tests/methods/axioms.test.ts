import { expect, it } from "vitest";
import type { AttributionPlan, NativeModel } from "../../src/native.js";
import { FAMILY, randomIds, randomModels } from "../native/random-model.js";
import { internalsPlan, LOGIT, occlusionPlan, rulesPlan, run, SMALL, straightPlan, sumOf } from "./plans.js";

const text = { ids: randomIds(14, SMALL.vocabulary, 3), promptLength: 8 };
const outputs = text.ids.length - text.promptLength;

it("AttnLRP conserves relevance through norms, activations, products and residuals", async () => {
  // Without attention nothing is left that may keep some: a softmax passes on what its derivative does.
  const source = FAMILY.replace(
    "x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])",
    "x = x",
  );
  expect(source).not.toBe(FAMILY);
  const [model] = (await randomModels({ ...SMALL, layers: 4 }, 11, source)) as [NativeModel];
  const outcome = await run(model, rulesPlan(text, "attnlrp", undefined, LOGIT));
  for (let output = 0; output < outputs; output++) {
    const logit = outcome.stepScores.logit?.[output] as number;
    expect(Math.abs(sumOf(outcome, output) - logit)).toBeLessThan(1e-5 * Math.abs(logit) + 1e-5);
    expect(Math.abs(outcome.deltas?.[output] as number)).toBeLessThan(1e-5 * Math.abs(logit) + 1e-5);
  }
  model.dispose();
});

it("AttnLRP keeps half of even attention's relevance at its softmax, and says how much by the delta", async () => {
  // Probabilities of heads that attend evenly are constant: what goes to them, half of each head's output, ends there.
  const source = FAMILY.replace(
    "x = x + ops.tokenlense.linear(a, self.attention_out[i], self.attention_out_bias[i])",
    "return x + ops.tokenlense.linear(a, self.attention_out[i], None)",
  );
  expect(source).not.toBe(FAMILY);
  const sizes = { ...SMALL, layers: 1, even: true };
  const [model] = (await randomModels(sizes, 12, source)) as [NativeModel];
  const whole = await run(model, rulesPlan(text, "attnlrp", undefined, LOGIT));
  for (let output = 0; output < outputs; output++) {
    const logit = whole.stepScores.logit?.[output] as number;
    const delta = whole.deltas?.[output] as number;
    expect(sumOf(whole, output) - logit).toBeCloseTo(delta, 4);
    expect(Math.abs(delta)).toBeGreaterThan(1e-3);
  }
  // What is lost is the same by libtorch's own engine.
  const plain = await run(model, { ...rulesPlan(text, "attnlrp", undefined, LOGIT), engine: "plain" });
  for (let output = 0; output < outputs; output++)
    expect(plain.deltas?.[output]).toBeCloseTo(whole.deltas?.[output] as number, 4);
  model.dispose();
});

it("equal tokens in equal roles get equal scores", async () => {
  // One layer that attends evenly does not tell positions apart: the first six tokens are the same one.
  const [model] = (await randomModels({ ...SMALL, layers: 1, even: true }, 13, FAMILY)) as [NativeModel];
  const ids = Int32Array.from([7, 7, 7, 7, 7, 7, 20, 31, 5, 9]);
  const even = { ids, promptLength: 7 };
  const baseline = { kind: "ids", ids: Int32Array.from({ length: 10 }, () => 3) } as const;
  const plans: AttributionPlan[] = [
    { ...rulesPlan(even, "gradient"), reduce: "l2" },
    { ...rulesPlan(even, "deeplift", baseline), reduce: "sum" },
    { ...rulesPlan(even, "attnlrp", undefined, LOGIT), reduce: "sum" },
    { ...straightPlan(even, 20, baseline), reduce: "sum" },
    occlusionPlan(even, 1, baseline),
    internalsPlan(even, "attention", true),
    internalsPlan(even, "value_zeroing", true),
    internalsPlan(even, "attention_gradient", true),
  ];
  for (const plan of plans) {
    const { scores, shape } = await run(model, plan);
    const width = shape[1] as number;
    for (let output = 0; output < 3; output++) {
      const column = Array.from({ length: 6 }, (_, position) => scores[position * width + output] as number);
      const largest = Math.max(...Array.from(scores, Math.abs));
      for (const score of column) expect(Math.abs(score - (column[0] as number)) / largest).toBeLessThan(2e-5);
      expect(Math.abs(column[0] as number)).toBeGreaterThan(0);
    }
  }
  model.dispose();
});
