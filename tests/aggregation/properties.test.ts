import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aggregationFunctions } from "../../src/aggregation/functions.js";
import type { Span } from "../../src/aggregation/segments.js";
import type { Attribution } from "../../src/result.js";
import { example } from "../example.js";

const column = (result: Attribution, output: number) =>
  result.tokens.map((_, position) => result.tokenScores[position * result.outputs + output] as number);

describe("for any attribution,", () => {
  const score = fc.float({ min: -100, max: 100, noNaN: true }).filter((value) => !Object.is(value, -0));
  const names = Object.keys(aggregationFunctions) as (keyof typeof aggregationFunctions)[];
  const attribution = fc
    .record({
      prompt: fc.integer({ min: 1, max: 6 }),
      outputs: fc.integer({ min: 1, max: 5 }),
      values: fc.infiniteStream(score),
    })
    .map(({ prompt, outputs, values }) =>
      example(
        Array.from({ length: prompt }, (_, i) => (i % 2 ? "x" : " w")),
        Array.from({ length: outputs }, (_, i) => (i % 2 ? " w" : "x")),
        () => values.next().value as number,
      ),
    );
  /** Ascending spans below `end`. */
  const spansBelow = (end: number) =>
    fc.uniqueArray(fc.integer({ min: 0, max: end }), { maxLength: 6 }).map((places): Span[] => {
      const sorted = places.sort((a, b) => a - b);
      return sorted.flatMap((start, i) =>
        i % 2 === 0 && i + 1 < sorted.length ? [[start, sorted[i + 1] as number]] : [],
      );
    });
  const withSpans = attribution.chain((result) =>
    fc.record({
      result: fc.constant(result),
      prompt: spansBelow(result.promptLength),
      any: spansBelow(result.tokens.length),
    }),
  );
  const size = (values: readonly number[]) => values.reduce((sum, value) => sum + Math.abs(value), 0);
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

  it("sums over spans of the prompt leave each output's total as it was", () => {
    fc.assert(
      fc.property(withSpans, ({ result, prompt }) => {
        const merged = result.aggregate({ by: "spans", spans: prompt, function: "sum" });
        expect(merged.tokens).toHaveLength(result.tokens.length - total(prompt.map(([a, b]) => b - a - 1)));
        for (let output = 0; output < result.outputs; output++)
          expect(Math.abs(total(column(merged, output)) - total(column(result, output)))).toBeLessThanOrEqual(
            1e-6 * size(column(result, output)),
          );
      }),
    );
  });

  it("no spans change nothing, and spans of one token nothing but, by their norm, the sign", () => {
    fc.assert(
      fc.property(attribution, fc.constantFrom(...names), (result, name) => {
        const same = result.aggregate({ by: "spans", spans: [], function: name });
        expect({ ...same }).toEqual({ ...result });
        expect(same.scores).toEqual(result.scores);
        const single = result.aggregate({
          by: "spans",
          spans: result.tokens.map((_, i): Span => [i, i + 1]),
          function: name,
        });
        expect(single.tokens).toEqual(result.tokens);
        expect(single.scores).toEqual(name === "vnorm" ? result.scores.map(Math.abs) : result.scores);
      }),
    );
  });

  it("several steps are one after another", () => {
    fc.assert(
      fc.property(withSpans, fc.constantFrom(...names), fc.constantFrom(...names), ({ result, any }, first, second) => {
        const steps = [
          { by: "spans", spans: any, function: first },
          { by: "subwords", function: second },
          { by: "split", pattern: "w", mode: "end", function: first },
        ] as const;
        const once = result.aggregate(steps);
        const each = steps.reduce((made: Attribution, step) => made.aggregate(step), result);
        expect({ ...once }).toEqual({ ...each });
        expect(once.scores).toEqual(each.scores);
        expect(once.shape).toEqual([once.tokens.length, once.outputs]);
      }),
    );
  });

  it('each output\'s sizes sum to 1 when "inseq"-normalised, but for one that leaned on nothing', () => {
    fc.assert(
      fc.property(withSpans, ({ result, any }) => {
        for (const made of [result, result.aggregate({ by: "spans", spans: any })]) {
          const shares = made.normalised("inseq");
          for (let output = 0; output < made.outputs; output++) {
            const before = size(column(made, output));
            if (before === 0) expect(size(column(shares, output))).toBe(0);
            else if (before > 1e-6) expect(size(column(shares, output))).toBeCloseTo(1, 5);
          }
        }
      }),
    );
  });
});
