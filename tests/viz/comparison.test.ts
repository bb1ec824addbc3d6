import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { renderComparison } from "../../src/viz/comparison.js";
import { example } from "../example.js";

const first = example(["The", " capital", " of", " France"], [" is", " Paris"], (position) => position + 1);
const second = example(["The", " capital", " of", " France"], [" is", " Rome"], (position) => 4 - position, {
  method: "occlusion",
});

describe("renderComparison", () => {
  it("says what each is, how far they agree, and what each output leaned on in each", () => {
    const drawn = renderComparison([first, second], { columns: 80, level: 0 });
    expect(drawn).toContain("A  org/tiny-model · saliency of probability");
    expect(drawn).toContain("B  org/tiny-model · occlusion of probability");
    expect(drawn).toMatch(/outputs {2}Pearson {2}Spearman {2}top 3 in common\nA and B +1 +−1\.000 +−1\.000 +67 %/);
    expect(drawn).toContain(
      "1 is  Spearman −1.000\n  A  France 4.00 · of 3.00 · capital 2.00 · The 1.00\n  B  The 4.00 · capital 3.00 · of 2.00 · France 1.00\n",
    );
    // What only one has stands by itself.
    expect(drawn).toMatch(/2 Paris\n {2}A {2}is 5\.00 · [^\n]+\n2 Rome\n {2}B {2}The 4\.00/);
  });

  it("puts tokens on their colours where there are colours", () => {
    const drawn = renderComparison([first, second], { columns: 80, level: 3 });
    expect(drawn).toContain("\x1b[48;2;253;231;37m\x1b[38;2;0;0;0m France");
    expect(stripVTControlCharacters(drawn)).toContain(
      "1 is  Spearman −1.000\n  A  The capital of France\n  B  The capital of France\n",
    );
  });

  it("compares each pair of several, with the k that is asked for", () => {
    const drawn = renderComparison([first, second, first], { columns: 80, level: 0, topK: 2 });
    expect(drawn.match(/^[ABC] and [ABC]/gm)).toEqual(["A and B", "A and C", "B and C"]);
    expect(drawn).toContain("top 2 in common");
    expect(drawn).not.toContain("1 is  Spearman");
  });

  it("keeps to the width, with any text", () => {
    const texts = fc.array(
      fc.oneof(fc.string({ unit: "grapheme", maxLength: 20 }), fc.constantFrom("\n", "", "\x1b[31m", "日本")),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(
        texts,
        texts,
        texts,
        fc.integer({ min: 60, max: 100 }),
        fc.constantFrom(0, 3),
        (a, b, c, columns, level) => {
          const drawn = renderComparison([example(a, b), example(c, b)], { columns, level: level as 0 | 3 });
          for (const line of drawn.split("\n"))
            expect(stringWidth(stripVTControlCharacters(line))).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });
});
