import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasWords, tokenUnits, wordUnits } from "../../src/viz/units.js";
import { ranks, shown, viewOf } from "../../src/viz/view.js";
import { example } from "../example.js";

const piece = fc.constantFrom(" a", "b", " long", "er", ".", "\n", " é");
const pieces = fc.array(piece, { minLength: 1, maxLength: 12 });
const score = (position: number, output: number) => Math.sin(position * 12.9 + output * 78.2);

describe("wordUnits", () => {
  it('are those of aggregate("subwords"): texts, scores and step scores, whatever the text', () => {
    fc.assert(
      fc.property(pieces, pieces, (prompt, target) => {
        const result = example(prompt, target, score);
        const merged = result.aggregate("subwords");
        const { view, starts } = wordUnits(viewOf(result.toJSON()));
        expect(view.texts).toEqual(merged.tokens.map(({ text }) => text));
        expect([view.promptLength, view.outputs]).toEqual([merged.promptLength, merged.outputs]);
        expect(view.scores).toEqual(viewOf(merged.toJSON()).scores);
        expect(view.stepScores.probability).toEqual(merged.stepScores.probability);
        // Texts tile, so each word begins where its first token does.
        expect(starts.slice(0, -1).map((token) => result.tokens[token]?.start)).toEqual(
          merged.tokens.map(({ start }) => start),
        );
        expect(starts.at(-1)).toBe(result.tokens.length);
      }),
    );
  });

  it("are the tokens where nothing marks a word", () => {
    const view = viewOf(example(["日", "本"], ["語"], score).toJSON());
    expect(hasWords(view)).toBe(false);
    const words = wordUnits(view);
    expect(words.starts).toEqual(tokenUnits(view).starts);
    expect([words.view.texts, words.view.scores]).toEqual([view.texts, view.scores]);
    expect(hasWords(viewOf(example([" Par", "is"], ["."], score).toJSON()))).toBe(true);
  });
});

describe("ranks", () => {
  it("order each output's scores by size, the first of those that are alike first", () => {
    const value = fc.oneof(fc.constantFrom(0, 1, -1, 1e-40, -1e30), fc.float({ noNaN: true, noDefaultInfinity: true }));
    fc.assert(
      fc.property(fc.array(value, { minLength: 12, maxLength: 12 }), (values) => {
        const view = viewOf(
          example(["a", "b"], ["c", "d"], (position, output) => values[position * 2 + output] ?? 0).toJSON(),
        );
        const places = ranks(view, shown(view, "raw"));
        for (let output = 0; output < 2; output++) {
          const sizes = view.texts.map((_, position) => Math.abs(view.scores[position * 2 + output] as number));
          const order = [...sizes.keys()].sort((a, b) => (sizes[b] as number) - (sizes[a] as number));
          expect(order.map((position) => places[position * 2 + output])).toEqual([0, 1, 2, 3]);
        }
      }),
    );
  });
});
