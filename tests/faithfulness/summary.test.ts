import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countOf, pointsOf } from "../../src/faithfulness/figures.js";
import { type FaithfulnessFigures, summariseFaithfulness } from "../../src/index.js";

const figures = (value: number, shares = 2): FaithfulnessFigures => ({
  ...{ comprehensiveness: new Array<number>(shares).fill(value), sufficiency: new Array<number>(shares).fill(-value) },
  ...{ meanComprehensiveness: value, meanSufficiency: -value },
  ...{ deletion: [1, 1 - value, 0], insertion: [0, value, 1] },
  ...{ deletionArea: 1 - value, insertionArea: value },
});

/** Results whose outputs differ from random by these numbers. */
const results = (...differences: number[][]) =>
  differences.map((list) => ({
    outputs: list.map((d) => ({ attribution: figures(d + 0.25), random: figures(0.25) })),
  }));

describe("summaries", () => {
  it("are means of the outputs, beside random and less it", () => {
    const { comprehensiveness, deletion, insertionArea } = summariseFaithfulness(results([0.1, 0.3], [0.5]));
    expect(comprehensiveness).toHaveLength(2);
    expect(deletion).toHaveLength(3);
    expect(comprehensiveness[1]?.attribution).toBeCloseTo(0.55, 12);
    expect(comprehensiveness[1]?.random).toBeCloseTo(0.25, 12);
    expect(comprehensiveness[1]?.difference).toBeCloseTo(0.3, 12);
    expect(deletion[1]?.difference).toBeCloseTo(-0.3, 12);
    expect(deletion[0]).toMatchObject({ attribution: 1, random: 1, difference: 0, interval: [0, 0] });
    expect(insertionArea.interval?.[0]).toBeGreaterThanOrEqual(0.1 - 1e-12);
    expect(insertionArea.interval?.[1]).toBeLessThanOrEqual(0.5 + 1e-12);
  });

  it("have an interval that holds the mean, narrows with the number of outputs, and comes from the seed", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 30 }), (list) => {
        const { meanComprehensiveness: first } = summariseFaithfulness(results(list));
        const [low, high] = first.interval as [number, number];
        expect(low).toBeLessThanOrEqual(first.difference + 1e-9);
        expect(high).toBeGreaterThanOrEqual(first.difference - 1e-9);
        expect(low).toBeGreaterThanOrEqual(Math.min(...list) - 1e-9);
        expect(summariseFaithfulness(results(list)).meanComprehensiveness.interval).toEqual(first.interval);
      }),
      { numRuns: 30 },
    );
    const wide = (count: number) => {
      const list = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 0 : 1));
      const [low, high] = summariseFaithfulness(results(list)).insertionArea.interval as [number, number];
      return high - low;
    };
    // Of a mean of n fair coins: ±1.96 / (2 √n).
    expect(wide(100)).toBeGreaterThan(0.17);
    expect(wide(100)).toBeLessThan(0.22);
    expect(wide(400)).toBeLessThan(0.12);
  });

  it("draw whole results first: what all outputs of a text share is no surer for their number", () => {
    const same = (value: number) => new Array<number>(50).fill(value);
    const { insertionArea } = summariseFaithfulness(results(same(0), same(1)));
    expect(insertionArea.interval).toEqual([0, 1]);
    const one = summariseFaithfulness(results([...same(0), ...same(1)])).insertionArea.interval as [number, number];
    expect(one[1] - one[0]).toBeLessThan(0.25);
  });

  it("have no interval of one output, and refuse none and what does not fit together", () => {
    expect(summariseFaithfulness(results([0.2])).deletionArea.interval).toBeUndefined();
    const code = expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" });
    expect(() => summariseFaithfulness([])).toThrow(code);
    expect(() => summariseFaithfulness(results([]))).toThrow(code);
    const other = { outputs: [{ attribution: figures(0, 3), random: figures(0, 3) }] };
    expect(() => summariseFaithfulness([...results([0.1]), other])).toThrow(code);
  });
});

it("a share takes so many tokens, rounded up, and rounding of the product takes none more", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 99 }), (tokens, percent) => {
      expect(countOf(percent / 100, tokens)).toBe(Math.ceil((percent * tokens) / 100));
    }),
  );
  expect(pointsOf([0.5, 0.1], 4)).toEqual({ points: [0, 0.1, 0.25, 0.5, 0.75, 1], ofShares: [3, 1] });
});
