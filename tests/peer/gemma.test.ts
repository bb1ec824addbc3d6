import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeFloats, distance } from "../../bench/numbers.js";
import { attribute, generate, loadModel, type MethodName, type Model, native } from "../../src/index.js";
import { exact } from "./exact.js";

// A second real model: another family, another tokenizer, weights in Q5_0, Q4_K, Q6_K and Q8_0. Goldens by tests/goldens/gemma.py.

interface Golden {
  name: string;
  text: string;
  ids: number[];
  promptLength: number;
  scores: Record<string, string>;
  float64: Record<string, string>;
}
const { about, prompts } = JSON.parse(readFileSync(new URL("../goldens/gemma.json", import.meta.url), "utf8")) as {
  about: { capability: string };
  prompts: Golden[];
};

/** libtorch's float32 softmax over a vocabulary errs otherwise with other vector widths. */
const sameCpu = native().info().cpuCapability === about.capability;

/** What Inseq's methods are called here, and what makes them the same. */
const METHODS = {
  saliency: {},
  input_x_gradient: {},
  integrated_gradients: { steps: 10, baseline: "unk" },
  occlusion: { baseline: "unk" },
  attention: {},
} as const;

describe("Gemma 3 270M", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel("gemma-3-270m");
  });
  afterAll(() => model?.dispose());

  describe.each(prompts)("$name", ({ text, ids, promptLength, scores, float64 }) => {
    const targetIds = Int32Array.from(ids);
    const promptIds = targetIds.subarray(0, promptLength);

    it("is tokenised and continued as by transformers", async () => {
      expect([...model.tokenizer.encode(text)]).toEqual([...promptIds]);
      const { ids: continued } = await generate({ model, promptIds, maxNewTokens: ids.length - promptLength });
      expect([...continued]).toEqual(ids.slice(promptLength));
    });

    it.each(Object.entries(float64) as [MethodName, string][])(
      "%s, with the step function's softmax in float64, is that of Inseq in float64 to 1e-4 of the largest score",
      async (method, stored) => {
        const options = METHODS[method as keyof typeof METHODS];
        using result = await attribute({ model, promptIds, targetIds, method, options, step: exact("probability") });
        expect(distance(result.scores, decodeFloats(stored))).toBeLessThan(1e-4);
      },
    );

    it.each(Object.entries(METHODS).filter(([name]) => sameCpu || !(name in float64)) as [MethodName, object][])(
      "%s is Inseq's to 1e-4 of the largest score, or nearer to float64 where Inseq is not so exact",
      async (method, options) => {
        using result = await attribute({ model, promptIds, targetIds, method, options });
        const single = decodeFloats(scores[method] as string);
        const double = decodeFloats(float64[method] ?? (scores[method] as string));
        // After few tokens MKL's product with the head errs by more than 1e-4 (bench/peer/NOTES.md).
        const off = distance(single, double);
        const apart = distance(result.scores, single);
        // Ours errs as Inseq does where the softmax is the cause, and less where the head is.
        if (off < 1e-4 || apart < 1e-4) expect(apart).toBeLessThan(1e-4);
        else expect(distance(result.scores, double)).toBeLessThan(off);
      },
    );

    it("has Inseq's probabilities", async () => {
      using result = await attribute({ model, promptIds, targetIds });
      const { probability = new Float32Array() } = result.stepScores;
      expect(distance(probability, decodeFloats(scores.probability as string))).toBeLessThan(1e-4);
    });
  });

  it("attributes a text end to end", async () => {
    using result = await attribute({ model, prompt: "The capital of France is", maxNewTokens: 4 });
    expect(result.prompt).toBe("The capital of France is");
    expect(result.target.startsWith(result.prompt)).toBe(true);
    expect(result.scores.every(Number.isFinite)).toBe(true);
  });
});
