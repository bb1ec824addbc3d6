import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attribute, attributeContext, loadModel, type Model, type TokenlenseError } from "../src/index.js";
import { REAL_MODEL } from "./models/real.js";

let model: Model;
beforeAll(async () => {
  model = await loadModel(REAL_MODEL);
});
afterAll(() => model?.dispose());

const context = "I have lived in Paris for ten years.";
const prompt = "The best view of the city is from the";
const output = " top of the Eiffel Tower";
const failure = async (work: Promise<unknown>) => (await work.catch((error: unknown) => error)) as TokenlenseError;

describe("attributeContext", () => {
  it("finds the outputs that a context changed, and the word that did it", async () => {
    const result = await attributeContext({ model, context, prompt, output });
    expect(result.contextTokens.map(({ text }) => text).join("")).toBe(context);
    expect(result.outputs.map(({ text }) => text).join("")).toBe(output);
    const whole = `${context} ${prompt}${output}`;
    for (const { text, start, end } of [...result.contextTokens, ...result.outputs])
      expect(whole.slice(start, end)).toBe(text);
    const tower = result.sensitive.find(({ token }) => token.text === " E");
    expect(tower?.cues[0]?.token.text).toBe(" Paris");
    expect(tower?.alternative.text).not.toBe(" E");
  });

  it("finds the context where it comes last", async () => {
    const template = "{current}? {context}";
    const result = await attributeContext({ model, context, prompt: "Where", output: " Eiffel", template });
    expect(
      result.contextTokens
        .map(({ text }) => text)
        .join("")
        .trim(),
    ).toBe(context);
  });

  it("measures sensitivity as the divergence of the text without the context from the one with it", async () => {
    const result = await attributeContext({ model, context, prompt, output, sensitivity: "pcxmi" });
    const with_ = await attribute({
      model,
      prompt: `${context} ${prompt}`,
      target: `${context} ${prompt}${output}`,
      method: "dummy",
    });
    const without = await attribute({ model, prompt, target: prompt + output, method: "dummy" });
    const [p, q] = [without.stepScores.probability as Float32Array, with_.stepScores.probability as Float32Array];
    for (const [i, value] of result.sensitivity.entries())
      expect(Math.abs(value + Math.log2((p[i] as number) / (q[i] as number)))).toBeLessThan(1e-2);
    const mean = result.sensitivity.reduce((a, b) => a + b, 0) / result.sensitivity.length;
    const variance = result.sensitivity.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (result.sensitivity.length - 1);
    expect(result.threshold).toBeCloseTo(mean + Math.sqrt(variance), 4);
    const sizes = result.sensitive.map(({ sensitivity }) => Math.abs(sensitivity));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    for (const size of sizes) expect(size).toBeGreaterThanOrEqual(result.threshold);
  });

  it("attributes the contrast with what the model would say without the context", async () => {
    const { sensitive, contextTokens } = await attributeContext({ model, context, prompt, output, sensitivityTopK: 1 });
    const [one] = sensitive;
    if (!one) throw new Error("nothing was sensitive");
    expect(sensitive).toHaveLength(1);
    const whole = `${context} ${prompt}`;
    const before = output.slice(0, output.indexOf(one.token.text));
    const direct = await attribute({
      model,
      prompt: whole + before,
      target: whole + before + one.token.text,
      contrast: whole + before + one.alternative.text,
    });
    for (const [i, score] of one.scores.entries())
      expect(Math.abs(score - (direct.tokenScores[i * direct.outputs] as number))).toBeLessThan(
        1e-4 * Math.max(...direct.tokenScores),
      );
    expect(one.scores).toHaveLength(contextTokens.length);
  });

  it("generates the output where none is given, and takes another template and method", async () => {
    const result = await attributeContext({
      model,
      context,
      prompt,
      template: "{context}\n{current}",
      maxNewTokens: 4,
      method: "occlusion",
      options: { baseline: "zero" },
      cueTopK: 2,
    });
    expect(result.outputs).toHaveLength(4);
    for (const { cues } of result.sensitive) expect(cues.length).toBeLessThanOrEqual(2);
  });

  it("refuses what makes no sense", async () => {
    expect(await failure(attributeContext({ model, context: "", prompt }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
    });
    expect(await failure(attributeContext({ model, context, prompt, template: "{current}" }))).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      message: expect.stringContaining("{context}"),
    });
    expect(
      await failure(attributeContext({ model, context, prompt, output, sensitivity: "kl_divergense" })),
    ).toMatchObject({
      code: "ERR_TOKENLENSE_INPUT",
      hint: "Did you mean kl_divergence?",
    });
  });
});
