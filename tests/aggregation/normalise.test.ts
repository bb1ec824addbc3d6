import { describe, expect, it } from "vitest";
import type { NormalisationName } from "../../src/aggregation/normalise.js";
import { Attribution } from "../../src/result.js";
import { example } from "../example.js";

const rows = (...scores: number[][]) =>
  example(["a", "b"], ["c", "d"], (position, output) => scores[position]?.[output] ?? 0);

describe("normalised", () => {
  it("gives what TokenLense's files hold, under its name", () => {
    const result = rows([1, 3], [-2, -2], [0, 5]);
    const { normalized_association: theirs } = result.toJSON().data;
    const ours = result.normalised("tokenlense");
    expect([...ours.scores]).toEqual([0, 1, 0.5, 0.5, 0, 0.5, 0, 0]);
    expect(theirs?.flat()).toEqual([0, 0.5, 0, 0, 1, 0.5, 0.5, 0]);
  });

  it("leaves scores that are all zero at zero, of which Inseq's rescale makes NaN", () => {
    const nothing = rows();
    for (const by of ["inseq", "rescale", "tokenlense"] as const)
      expect([...nothing.normalised(by).scores]).toEqual(Array(8).fill(0));
  });

  it("takes each place of a further dimension by itself, and the largest of all to rescale", () => {
    const kept = new Attribution({
      ...example(["a", "b"], ["c"]),
      shape: [3, 1, 2],
      dimensions: ["layer"],
      scores: Float32Array.of(1, -2, 3, 8, 0, 0),
    });
    expect([...kept.normalised("inseq").scores]).toEqual([0.25, Math.fround(-0.2), 0.75, Math.fround(0.8), 0, 0]);
    expect([...kept.normalised("rescale").scores]).toEqual([0.125, -0.25, 0.375, 1, 0, 0]);
    expect([...kept.normalised("tokenlense").scores]).toEqual([0.5, 0.5, 0.5, 0.5, 0, 0]);
    expect(kept.normalised("inseq")).toMatchObject({ shape: [3, 1, 2], dimensions: ["layer"] });
    expect([...kept.scores]).toEqual([1, -2, 3, 8, 0, 0]);
  });

  it("suggests the nearest name for an unknown one", () => {
    for (const [name, hint] of [
      ["inseqq", "Did you mean inseq?"],
      ["toString", "Known: inseq, rescale, tokenlense."],
    ] as const)
      expect(() => rows().normalised(name as NormalisationName)).toThrow(
        expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT", hint }),
      );
  });
});
