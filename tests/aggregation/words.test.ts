import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitSpans, toPattern } from "../../src/aggregation/split.js";
import { subwordSpans } from "../../src/aggregation/subwords.js";
import type { Token } from "../../src/result.js";

const { defects } = JSON.parse(readFileSync(new URL("../goldens/aggregation.json", import.meta.url), "utf8")) as {
  defects: {
    subwords: { tokens: string[]; inseq: [number, number][] }[];
    split: { tokens: string[]; pattern: string; inseq: [number, number][] };
  };
};

const special = /^<[|/]?[a-z_]+\|?>$/;
const toTokens = (forms: readonly string[], texts?: readonly string[]): Token[] =>
  forms.map((token, id) => ({
    token,
    text: texts?.[id] ?? token.replaceAll(/[Ġ▁]/g, " ").replaceAll("Ċ", "\n").replace("<0x0A>", "\n"),
    id,
    role: "prompt",
    start: 0,
    end: 0,
  }));

/** Tokens merged by spans: "a+b c". */
const shown = (forms: readonly string[], spans: readonly (readonly [number, number])[]) =>
  forms.map((form, i) => (i === 0 ? "" : spans.some(([a, b]) => a < i && i < b) ? "+" : " ") + form).join("");
const words = (forms: string) => shown(forms.split(" "), subwordSpans(toTokens(forms.split(" "))));

describe("subwordSpans", () => {
  it("takes the last token of a word at the very end along, which Inseq's get_spans forgets", () => {
    expect(defects.subwords.map(({ inseq }) => inseq)).toEqual([[[1, 3]], []]);
    expect(defects.subwords.map(({ tokens }) => subwordSpans(toTokens(tokens)))).toEqual([[[1, 4]], [[1, 3]]]);
  });

  it.each([
    ["The Ġun bel ievable Ġcat .", "The Ġun+bel+ievable Ġcat+."],
    ["▁The ▁un bel ievable ▁cat", "▁The ▁un+bel+ievable ▁cat"],
    ["the un ##bel ##ievable cat", "the un+##bel+##ievable cat"],
  ])("goes by the marks of %s", (forms, merged) => expect(words(forms)).toBe(merged));

  it.each([
    ["<|im_start|> us er Ċ Hel lo Ġthere <|im_end|> Ċ", "<|im_start|> us+er Ċ Hel+lo Ġthere <|im_end|> Ċ"],
    ["<s> ▁Hel lo </s> wor ld", "<s> ▁Hel+lo </s> wor+ld"],
    ["Ġa b <start_of_turn> [INST] c d [/INST]", "Ġa+b <start_of_turn> [INST] c+d [/INST]"],
    ["[CLS] wo ##rd [SEP]", "[CLS] wo+##rd [SEP]"],
    ["<｜begin▁of▁sentence｜> Ġa b", "<｜begin▁of▁sentence｜> Ġa+b"],
  ])("leaves special tokens by themselves: %s", (forms, merged) => expect(words(forms)).toBe(merged));

  it.each([
    ["Ġa < b > c", "Ġa+<+b+>+c"],
    ["▁hi <0xF0> <0x9F> <0x98> <0x80>", "▁hi+<0xF0>+<0x9F>+<0x98>+<0x80>"],
    ["Ġx [ 0 ] <= y", "Ġx+[+0+]+<=+y"],
  ])("takes for special only what is: %s", (forms, merged) => expect(words(forms)).toBe(merged));

  it("begins a word after a line's end, which stays by itself", () => {
    expect(words("Ġone Ċ two too ĊĊ Ġthree ĉ x")).toBe("Ġone Ċ two+too ĊĊ Ġthree ĉ+x");
    expect(words("▁one <0x0A> tw o")).toBe("▁one <0x0A> tw+o");
  });

  it("begins a word at white space that is a token as such", () => {
    expect(words("▁if ▁x : <0x0A> <0x09> pri nt <0x0D> x")).toBe("▁if ▁x+: <0x0A> <0x09>+pri+nt <0x0D>+x");
    const forms = ["▁a", "b", "\n\n", "    ", "de", "f", "\t", "x"];
    expect(shown(forms, subwordSpans(toTokens(forms)))).toBe("▁a+b \n\n     +de+f \t+x");
    const phi = ["Ġa", "b", "   ", "x", "y", "ċ", "z"];
    expect(shown(phi, subwordSpans(toTokens(phi)))).toBe("Ġa+b    +x+y ċ+z");
  });

  it("finds none where nothing marks a space", () => {
    for (const forms of ["åĮĹ äº¬ æĺ¯", "北 京 是 首 都", "hel lo", "## Title", "<|im_start|> ä½ł å¥½ Ċ"])
      expect(words(forms)).toBe(forms);
    expect(subwordSpans([])).toEqual([]);
  });

  it("never joins a special token, and loses no token, whatever the tokens", () => {
    const form = fc.constantFrom("Ġa", "b", "Ċ", "<|x|>", "</s>", "äº¬", "##c", "##", "", " ", "▁d", "<0x0A>");
    fc.assert(
      fc.property(fc.array(form, { maxLength: 12 }), (forms) => {
        const spans = subwordSpans(toTokens(forms));
        spans.forEach(([start, end], i) => {
          expect(end - start).toBeGreaterThan(1);
          expect(start).toBeGreaterThanOrEqual(spans[i - 1]?.[1] ?? 0);
          expect(end).toBeLessThanOrEqual(forms.length);
          expect(forms.slice(start, end).filter((one) => special.test(one))).toEqual([]);
        });
      }),
    );
  });
});

describe("splitSpans", () => {
  const split = (forms: readonly string[], pattern: string | RegExp, mode: "single" | "start" | "end" = "single") =>
    splitSpans(toTokens(forms, forms), toPattern(pattern), mode);

  it("makes no empty span where two matches begin in one token, as Inseq's does", () => {
    const { tokens, pattern, inseq } = defects.split;
    expect(inseq).toContainEqual([0, 0]);
    expect(split(tokens, pattern)).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it("takes a string or an expression, with its flags", () => {
    const forms = ["One", " and", " two", " AND", " three"];
    expect(shown(forms, split(forms, "and", "start"))).toBe("One  and+ two+ AND+ three");
    expect(shown(forms, split(forms, /and/i, "start"))).toBe("One  and+ two  AND+ three");
    expect(split(forms, /and/gi, "start")).toEqual(split(forms, /and/i, "start"));
  });

  it("passes over matches without characters, on which Inseq fails", () => {
    expect(split(["ab", "cd"], /(?=c)/)).toEqual([]);
    expect(split(["ab", "cd", "e"], /x*|d/)).toEqual([]);
    expect(split(["ab", "cd", "e"], /d|$/, "end")).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });

  it("keeps the tokens of one character together", () => {
    expect(split(["hi ", "", "", "😀", "!"], "😀")).toEqual([
      [0, 1],
      [1, 4],
      [4, 5],
    ]);
  });

  it("covers every token once where it matches at all, and cuts only there", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", " ", "."), maxLength: 4 });
    const pattern = fc.constantFrom("a", " ", "b+", "a.b", "ab|ba", " a|b ", "[ab]*");
    const mode = fc.constantFrom("single", "start", "end");
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 10 }), pattern, mode, (texts, source, how) => {
        const spans = split(texts, source, how);
        if (spans.length === 0)
          expect([...texts.join("").matchAll(toPattern(source))].every(([match]) => match === "")).toBe(true);
        else expect(spans.flatMap(([a, b]) => texts.slice(a, b))).toEqual(texts);
        for (const [start, end] of spans) expect(end).toBeGreaterThan(start);
      }),
    );
  });
});
