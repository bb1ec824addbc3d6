import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { readGguf } from "../../src/models/gguf.js";
import { locate } from "../../src/models/offsets.js";
import type { Tokenizer } from "../../src/models/tokenizer.js";
import { realGguf } from "./real.js";
import { metadata, throughFile, toTokenizer } from "./vocabulary.js";

const tokenizers: Record<string, Tokenizer> = {};
beforeAll(async () => {
  const checkpoint = await readGguf(await realGguf());
  const withPre = (pre: string) =>
    toTokenizer({ ...checkpoint, settings: new Map([...checkpoint.settings, ["tokenizer.ggml.pre", pre]]) });
  tokenizers.smollm = withPre("smollm");
  tokenizers.qwen2 = withPre("qwen2");
  tokenizers.bpe = await throughFile(metadata.bpe);
  tokenizers.phi3 = await throughFile(metadata.phi3);
  tokenizers.unigram = await throughFile(metadata.unigram(true, true));
  tokenizers.wordpiece = await throughFile(metadata.wordpiece);
});

/** Each token, and the text that it has. */
function shown(name: string, text: string, ends = false): [string, string][] {
  const tokenizer = tokenizers[name] as Tokenizer;
  const ids = tokenizer.encode(text, { ends });
  const spans = tokenizer.locate(ids, text);
  return tokenizer.tokens(ids).map(({ token }, i) => [token, text.slice(...(spans[i] as [number, number]))]);
}

/** Checks what is true of all spans, and gives what they leave out of the text. */
function gaps(tokenizer: Tokenizer, text: string): string {
  const spans = tokenizer.locate(tokenizer.encode(text, { ends: true }), text);
  let [place, left] = [0, ""];
  for (const [start, end] of [...spans, [text.length, text.length]] as [number, number][]) {
    expect(start).toBeGreaterThanOrEqual(place);
    expect(end).toBeGreaterThanOrEqual(start);
    left += text.slice(place, start);
    place = end;
  }
  expect(place).toBe(text.length);
  return left;
}

const unicode = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.string({
    unit: fc.constantFrom(
      "a",
      "B",
      " ",
      "  ",
      "\n",
      "\t",
      "é",
      "e\u0301",
      "ﬁ",
      "한",
      "\u1112\u1161\u11ab",
      "漢",
      "👩🏽‍💻",
      "▁",
      "<s>",
      ".",
    ),
    maxLength: 20,
  }),
);

describe("locate", () => {
  test.each(["bpe", "phi3"])("tiles any text: %s, whose vocabulary has every byte", (name) => {
    fc.assert(
      fc.property(unicode, (text) => {
        expect(gaps(tokenizers[name] as Tokenizer, text)).toBe("");
      }),
      { numRuns: 500 },
    );
  });

  test.each(["smollm", "qwen2"])("leaves out only what the vocabulary lacks: %s", (name) => {
    fc.assert(
      fc.property(unicode, (text) => {
        // Of what is above U+3FFFF, SmolLM2's vocabulary has some bytes and not others.
        fc.pre([...text].every((character) => (character.codePointAt(0) as number) < 0x40000));
        const lacks = ["\u0004", "\u0006", "\u0013", "\u0014", "\u0016", "\u001d"];
        const lacking = [...text].filter((character) => lacks.includes(character)).join("");
        expect(gaps(tokenizers[name] as Tokenizer, text)).toBe(lacking);
      }),
      { numRuns: 500 },
    );
  });

  test.each(["wordpiece", "unigram"])("leaves out only white space and control characters: %s", (name) => {
    const tokenizer = tokenizers[name] as Tokenizer;
    fc.assert(
      fc.property(unicode, (text) => {
        // Which of two like characters an unknown token stands for, its text does not tell.
        fc.pre(!tokenizer.encode(text).includes(tokenizer.special.unk as number));
        expect(gaps(tokenizer, text)).toMatch(/^[\s\p{C}\p{M}\ufffd▁]*$/u);
      }),
      { numRuns: 200 },
    );
  });

  test("gives a character of several tokens to the last of them", () => {
    const parts = shown("smollm", "a𐌰b");
    expect(parts.map(([, text]) => text).filter((text) => text !== "")).toEqual(["a", "𐌰", "b"]);
    expect(parts.length).toBeGreaterThan(3);
  });

  test("gives nothing to BOS, to EOS and to the space before a text", () => {
    expect(shown("phi3", "the  a")).toEqual([
      ["<s>", ""],
      ["▁the", "the"],
      ["▁", " "],
      ["▁a", " a"],
    ]);
    expect(shown("phi3", " the")).toEqual([
      ["<s>", ""],
      ["▁", ""],
      ["▁the", " the"],
    ]);
    expect(shown("bpe", "a", true)).toEqual([
      ["<s>", ""],
      ["a", "a"],
      ["</s>", ""],
    ]);
  });

  test("gives marks in the text what they are, and nothing the white space that they take along", () => {
    expect(shown("phi3", "<|user|>\n\n the<|end|>")).toEqual([
      ["<s>", ""],
      ["<|user|>", "<|user|>"],
      ["▁the", "the"],
      ["<|end|>", "<|end|>"],
    ]);
  });

  test("gives composed characters all that they were made of", () => {
    expect(shown("qwen2", "cafe\u0301 x")).toEqual([
      ["c", "c"],
      ["af", "af"],
      ["Ã©", "e\u0301"],
      ["Ġx", " x"],
    ]);
  });

  test("aligns lower-cased words, unknown ones and marks", () => {
    const parts = shown("wordpiece", "The  CAFÉ, 𖠀 x", true);
    expect(parts.map(([, text]) => text).join("|")).toMatch(/^\|The\| C\|?A.*É\|,\| 𖠀\| x\|$/);
    expect(parts.find(([token]) => token === "[UNK]")?.[1]).toBe(" 𖠀");
  });

  test("passes over what was dropped", () => {
    expect(shown("smollm", "a\u0004b")).toEqual([
      ["a", "a"],
      ["b", "b"],
    ]);
  });

  test("counts lone surrogates as the one unit that they are", () => {
    expect(gaps(tokenizers.smollm as Tokenizer, "a\ud800b")).toBe("");
    expect(gaps(tokenizers.bpe as Tokenizer, "\udfff")).toBe("");
  });

  test("takes the tokens of a text that was decoded from them", () => {
    const tokenizer = tokenizers.phi3 as Tokenizer;
    const ids = tokenizer.encode("<|user|>\nHello there<|end|>");
    const text = tokenizer.decode(ids);
    expect(
      tokenizer
        .locate(ids, text)
        .map(([start, end]) => text.slice(start, end))
        .join(""),
    ).toBe(text);
  });

  test("stays quick where a long text was rewritten", () => {
    const text = "Cafe\u0301 au LAIT, 漢字.\n".repeat(500);
    for (const name of ["qwen2", "wordpiece"]) gaps(tokenizers[name] as Tokenizer, text);
  });

  test("gives up on texts that have nothing in common, and still gives each token its share", () => {
    const pieces = Array.from({ length: 6000 }, () => ({ text: "a", kind: "text" as const }));
    const spans = locate(pieces, "b".repeat(6000), "none");
    expect(spans).toEqual(pieces.map((_, i) => [i, i + 1]));
  });

  test("splits what stands in place of something in equal parts", () => {
    const unknown = (text: string) => ({ text, kind: "unknown" as const });
    expect(locate([unknown("[UNK]"), unknown(" [UNK]")], "漢字", "none")).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });
});
