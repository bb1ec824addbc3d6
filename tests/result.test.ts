import { describe, expect, it, vi } from "vitest";
import { Attribution } from "../src/result.js";
import { example } from "./example.js";

describe("Attribution", () => {
  it("gives its memory back once, and nothing of the scores after that", () => {
    const release = vi.fn();
    const result = new Attribution(example(["a"], ["b"]), release);
    expect(result.scores).toHaveLength(2);
    result.dispose();
    result[Symbol.dispose]();
    expect(release).toHaveBeenCalledTimes(1);
    expect(() => result.scores).toThrow(expect.objectContaining({ code: "ERR_TOKENLENSE_DISPOSED" }));
    expect(() => result.toJSON()).toThrow(expect.objectContaining({ code: "ERR_TOKENLENSE_DISPOSED" }));
    expect(result.tokens).toHaveLength(2);
  });

  it("takes the L2 norm over the embedding dimension where it was kept", () => {
    const kept = example(["a"], ["b"], undefined, {
      shape: [2, 1, 2],
      dimensions: ["embedding"],
      scores: Float32Array.of(3, -4, 0, 0),
    });
    expect([...kept.tokenScores]).toEqual([5, 0]);
    expect(kept.toJSON().data).toMatchObject({ association_matrix: [[5, 0]], raw_dimensions: [2, 1, 2] });
  });
});

describe("toJSON", () => {
  it("has a row for each output and a column for each token", () => {
    const { data, metadata } = example(["The", " sky"], [" is", " blue"]).toJSON();
    expect(metadata).toMatchObject({
      timestamp: "2025-04-03T12:30:45.678Z",
      llm_id: "org/tiny-model",
      llm_version: "tiny-model",
      prompt: "The sky",
      attribution_method: "saliency",
      generation_params: { max_new_tokens: 8, temperature: 0.5, top_k: 0, top_p: 1, seed: 42 },
      version: "1.1.0",
    });
    expect(data.input_tokens[1]).toEqual({
      token: "Ġsky",
      token_id: 1,
      clean_token: "sky",
      text: " sky",
      start: 3,
      end: 7,
    });
    expect(data.association_matrix).toEqual([
      [0.5, 1, 0, 0],
      [Number(Math.fround(1 / 3).toPrecision(9)), Number(Math.fround(2 / 3).toPrecision(9)), 1, 0],
    ]);
    expect(data.step_scores?.probability).toHaveLength(2);
  });

  it("normalises each column over its values that are not zero, and to 0.5 where they are alike", () => {
    const columns = [
      [2, 6, 4], // min–max
      [3, 3, 3], // constant
      [0, 1, 3], // zero stays zero
    ];
    const result = example(["a", "b", "c"], ["x", "y", "z"], (position, output) => columns[position]?.[output] ?? 0);
    const { normalized_association: normalized } = result.toJSON().data;
    expect(normalized).toEqual([
      [0, 0.5, 0, 0, 0, 0],
      [1, 0.5, 0, 0, 0, 0],
      [0.5, 0.5, 1, 0, 0, 0],
    ]);
  });

  it("keeps a token that is only a line's end or a space readable", () => {
    expect(
      example(["\n", " "], ["x"])
        .toJSON()
        .data.input_tokens.map((token) => token.clean_token),
    ).toEqual(["Ċ", "Ġ"]);
  });
});
