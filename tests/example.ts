import { Attribution, type AttributionData } from "../src/result.js";

/** An attribution made by hand: the texts of prompt and target, and scores [sequence, outputs] by rule. */
export function example(
  promptTexts: readonly string[],
  targetTexts: readonly string[],
  score: (position: number, output: number) => number = (position, output) => (position + 1) / (output + 2),
  changes: Partial<AttributionData> = {},
): Attribution {
  const texts = [...promptTexts, ...targetTexts];
  const outputs = targetTexts.length;
  const scores = new Float32Array(texts.length * outputs);
  for (let output = 0; output < outputs; output++)
    for (let position = 0; position < promptTexts.length + output; position++)
      scores[position * outputs + output] = score(position, output);
  let end = 0;
  return new Attribution({
    tokens: texts.map((text, id) => {
      end += text.length;
      return {
        token: text.replaceAll(" ", "Ġ").replaceAll("\n", "Ċ"),
        text,
        id,
        role: id < promptTexts.length ? "prompt" : "target",
        start: end - text.length,
        end,
      };
    }),
    promptLength: promptTexts.length,
    scores,
    shape: [texts.length, outputs],
    dimensions: [],
    convergenceDeltas: undefined,
    pathSteps: undefined,
    stepScores: { probability: Float32Array.from(targetTexts, (_, output) => 1 / (output + 3)) },
    method: "saliency",
    step: "probability",
    modelName: "org/tiny-model",
    prompt: promptTexts.join(""),
    input: promptTexts.join(""),
    target: texts.join(""),
    generation: { maxNewTokens: 8, temperature: 0.5, topK: 0, topP: 1, seed: 42 },
    stats: { engine: "ragged", flops: 1e9, seconds: 0.25, plannedBytes: 2 ** 20, block: 4 },
    timings: { generate: 0.5, attribute: 0.25 },
    versions: { "tokenlense-native": "0.1.0", libtorch: "2.13.0" },
    timestamp: new Date("2025-04-03T12:30:45.678Z"),
    ...changes,
  });
}
