import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { largest } from "../../src/viz/agreement.js";
import { align, commonOutputs, difference } from "../../src/viz/alignment.js";
import { shown, viewOf } from "../../src/viz/view.js";
import { compare } from "../../src/viz/visualize.js";
import { example } from "../example.js";

const code = expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" });
const view = (result: Attribution) => viewOf(result.toJSON());
const ofColumn = (scores: readonly number[]) => (position: number) => scores[position] as number;
const letters = [..."abcdefgh"];
const pair = (first: readonly number[], second: readonly number[], topK = 3) => {
  const heads = letters.slice(0, first.length);
  const results = [first, second].map((scores) => example(heads, ["!"], ofColumn(scores)));
  return compare(results, { topK })[0]?.outputs[0];
};

describe("compare", () => {
  it("gives Pearson's and Spearman's correlation, and the share of the top k in common", () => {
    // Pearson by hand: deviations (−1.5, −.5, .5, 1.5) and (−1, −2, 1, 2), 6 / √(5 · 10). Spearman: 1 − 6·2 / (4·15).
    const figures = pair([1, 2, 3, 4], [2, 1, 4, 5], 2);
    expect(figures).toMatchObject({ outputs: [0, 0], text: "!", tokens: 4, topOverlap: 1 });
    expect(figures?.pearson).toBeCloseTo(6 / Math.sqrt(50), 6);
    expect(figures?.spearman).toBeCloseTo(0.8, 6);
    expect(pair([1, 2, 3, 4], [4, 3, 2, 1], 2)).toMatchObject({ topOverlap: 0 });
    expect(pair([9, 8, 7, 1], [9, 1, 7, 8], 3)?.topOverlap).toBeCloseTo(2 / 3);
  });

  it("ranks by size in the top k, and gives ties the mean of their ranks", () => {
    expect(pair([-9, 1, 2, 8], [9, 1, 2, 8], 2)?.topOverlap).toBe(1);
    // Ranks (0, 1.5, 1.5, 3) and (0, 1, 2, 3).
    expect(pair([1, 2, 2, 3], [1, 2, 3, 4])?.spearman).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 6);
  });

  it("has no figure where there is nothing to tell", () => {
    expect(pair([1, 2], [2, 1])).toMatchObject({ pearson: undefined, spearman: undefined, topOverlap: undefined });
    expect(pair([1, 1, 1, 1], [1, 2, 3, 4])).toMatchObject({ pearson: undefined, spearman: undefined });
    expect(pair([0, 0, 0, 0], [0, 0, 0, 0])).toMatchObject({ topOverlap: undefined });
    const [apart] = compare([example(["a"], ["b"]), example(["x"], ["y"])]);
    expect(apart).toMatchObject({ pearson: undefined, outputs: [] });
  });

  it("says 1 of a result and itself on any scale, and the same of both orders", () => {
    const scores = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 4, maxLength: 8 });
    fc.assert(
      fc.property(scores, scores, fc.integer({ min: 1, max: 9 }), (one, other, scale) => {
        const length = Math.min(one.length, other.length);
        const [a, b] = [one.slice(0, length), other.slice(0, length)];
        const own = pair(
          a,
          a.map((score) => scale * score + 1),
        );
        if (new Set(a).size > 1) {
          expect(own?.pearson).toBeCloseTo(1, 5);
          expect(own?.spearman).toBeCloseTo(1, 5);
        }
        const [there, back] = [pair(a, b), pair(b, a)];
        if (there?.pearson !== undefined) expect(back?.pearson).toBeCloseTo(there.pearson, 9);
        expect(back?.spearman === undefined).toBe(there?.spearman === undefined);
      }),
    );
  });

  it("takes means over the outputs of each pair", () => {
    const rule = (sign: number) => (position: number, output: number) => (output === 0 ? position : sign * position);
    const results = [1, -1, 1].map((sign) => example(["a", "b", "c", "d"], ["e", "f"], rule(sign)));
    expect(compare(results).map(({ results: places, pearson }) => [places, pearson])).toEqual([
      [[0, 1], expect.closeTo(0)],
      [[0, 2], expect.closeTo(1)],
      [[1, 2], expect.closeTo(0)],
    ]);
  });

  it("refuses a single result, and a top 0", () => {
    expect(() => compare([example(["a"], ["b"])])).toThrow(code);
    expect(() => compare([example(["a"], ["b"]), example(["a"], ["b"])], { topK: 0 })).toThrow(code);
  });
});

describe("tokens that two results have in common", () => {
  const first = view(example(["The", " cat"], [" sat", "."]));
  const second = view(example(["The", " old", " cat"], [" sat", "!"]));

  it("are found by their longest common subsequence", () => {
    expect([...align(first, second)]).toEqual([0, 2, 3, -1]);
    expect([...align(second, first)]).toEqual([0, -1, 1, 2, -1]);
    expect(commonOutputs(first, second)).toEqual([
      {
        a: 0,
        b: 0,
        positions: [
          { a: 0, b: 0 },
          { a: 1, b: 2 },
        ],
      },
    ]);
  });

  it("are no common output where one has the token in its prompt", () => {
    expect(commonOutputs(view(example(["a"], ["b", "c"])), view(example(["a", "b"], ["c"])))).toEqual([
      {
        a: 1,
        b: 0,
        positions: [
          { a: 0, b: 0 },
          { a: 1, b: 1 },
        ],
      },
    ]);
  });

  it("are what a difference is of", () => {
    const { values, largest, signed } = difference(first, second, shown(first, "raw"), shown(second, "raw"));
    // Scores are (position + 1) / (output + 2): 1/2 − 1/2, and 3/2 − 2/2.
    expect([...values]).toEqual([0, Number.NaN, 0.5, Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    expect({ largest, signed }).toEqual({ largest: 0.5, signed: true });
  });
});

describe("largest", () => {
  it("are the first of a stable sort by size, without zeros", () => {
    const scores = fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NaN)), { maxLength: 20 });
    fc.assert(
      fc.property(scores, fc.integer({ min: 0, max: 25 }), (values, k) => {
        const sorted = values
          .map((value, place) => ({ size: Math.abs(value), place }))
          .filter(({ size }) => size > 0)
          .sort((a, b) => b.size - a.size);
        expect(largest(values, k)).toEqual(sorted.slice(0, k).map(({ place }) => place));
      }),
    );
  });
});

describe("commonOutputs", () => {
  it("have every shared token before both, and no other", () => {
    const texts = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(texts, texts, texts, texts, (promptA, targetA, promptB, targetB) => {
        const [a, b] = [view(example(promptA, targetA)), view(example(promptB, targetB))];
        const places = [...align(a, b)];
        const wanted = targetA.flatMap((_, output) => {
          const other = (places[a.promptLength + output] as number) - b.promptLength;
          const before = (place: number, position: number) =>
            place >= 0 && position < a.promptLength + output && place < b.promptLength + other;
          const positions = places.flatMap((place, position) =>
            before(place, position) ? [{ a: position, b: place }] : [],
          );
          return other < 0 ? [] : [{ a: output, b: other, positions }];
        });
        expect(commonOutputs(a, b)).toEqual(wanted);
      }),
    );
  });
});
