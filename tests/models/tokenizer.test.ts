import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue } from "../../src/models/checkpoint.js";
import { readGguf } from "../../src/models/gguf.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { realGguf } from "./real.js";

interface Golden {
  model: string;
  schemes: Record<"smollm" | "gpt-2" | "llama-bpe", { text: string; ids: number[]; decoded: string }[]>;
  sentencepiece: {
    tokens: string[];
    scores: number[];
    types: number[];
    bos: number;
    eos: number;
    unk: number;
    cases: { text: string; ids: number[] }[];
  };
}

const golden = JSON.parse(readFileSync(new URL("../goldens/tokenizer.json", import.meta.url), "utf8")) as Golden;

function build(checkpoint: Checkpoint, changes: Record<string, MetadataValue> = {}): Tokenizer {
  const settings = new Map([...checkpoint.settings, ...Object.entries(changes)]);
  const files = tokenizerFromGguf({ ...checkpoint, settings }, 49_152);
  // As they come out of an archive.
  const [json, config] = [JSON.parse(JSON.stringify(files.json)), JSON.parse(JSON.stringify(files.config))];
  return new Tokenizer(json, config, { ...files, vocabulary: 49_152 });
}

let checkpoint: Checkpoint;
let tokenizer: Tokenizer;
beforeAll(async () => {
  checkpoint = await readGguf(await realGguf());
  tokenizer = build(checkpoint);
});

describe("SmolLM2's tokenizer", () => {
  test("has a golden file of well over a hundred strings", () => {
    expect(new Set(golden.schemes.smollm.map(({ text }) => text)).size).toBeGreaterThan(200);
  });

  test.each(golden.schemes.smollm)("gives the reference's ids for $text", ({ text, ids, decoded }) => {
    expect([...tokenizer.encode(text)]).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded);
    expect(
      tokenizer
        .tokens(ids)
        .map((piece) => piece.text)
        .join(""),
    ).toBe(decoded);
  });

  /** Bytes without a token: the reference drops them too. */
  const dropped = new Set([0x04, 0x06, 0x13, 0x14, 0x16, 0x1d]);
  const lossy = (text: string) =>
    [...text].some((character) => {
      const point = character.codePointAt(0) as number;
      return dropped.has(point) || (point >= 0x40000 && point < 0xc0000);
    });

  test("decodes what it encoded", () => {
    for (const { text } of golden.schemes.smollm)
      if (!lossy(text)) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        fc.pre(!lossy(text));
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  test("takes lone surrogates for U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\ud800b"))).toBe("a\ufffdb");
  });

  test("has its special tokens", () => {
    expect(tokenizer.special).toEqual({ bos: 1, eos: [2], pad: 2, unk: 0 });
    expect([...tokenizer.encode("<|im_start|>")]).toEqual([1]);
    expect(tokenizer.tokens([1, 2]).map(({ text }) => text)).toEqual(["<|im_start|>", "<|im_end|>"]);
  });

  test("gives vocabulary forms and readable text", () => {
    const pieces = tokenizer.tokens(tokenizer.encode("The capital of France"));
    expect(pieces.map(({ token }) => token)).toEqual(["The", "Ġcapital", "Ġof", "ĠFrance"]);
    expect(pieces.map(({ text }) => text)).toEqual(["The", " capital", " of", " France"]);
  });

  test("gives a character of several tokens to the last of them", () => {
    const pieces = tokenizer.tokens(tokenizer.encode("a𐌰b"));
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.map(({ text }) => text).filter((text) => text !== "")).toEqual(["a", "𐌰", "b"]);
    expect(pieces[1]?.text).toBe("");
  });

  test("shows U+FFFD only where a character stays incomplete", () => {
    const ids = tokenizer.encode("a𐌰b");
    const cut = tokenizer.tokens(ids.subarray(0, ids.length - 2));
    expect(cut[0]?.text).toBe("a");
    expect(cut.at(-1)?.text).toBe("\ufffd");
    // Another character begins before the first is complete.
    const broken = tokenizer.tokens([...ids.subarray(0, 2), ...tokenizer.encode("é!")]);
    expect(broken.map(({ text }) => text).join("")).toBe(tokenizer.decode(broken.map(({ id }) => id)));
    expect(broken[1]?.text).toBe("\ufffd");
    expect(
      broken
        .slice(2)
        .map(({ text }) => text)
        .join(""),
    ).toBe("é!");
  });

  test("never changes the text of earlier tokens when more come", () => {
    const ids = [...tokenizer.encode("👩🏽‍💻 漢字 é 𐌰𐌱 end")];
    const whole = tokenizer.tokens(ids).map(({ text }) => text);
    for (let n = 1; n <= ids.length; n++) {
      const seen = tokenizer.tokens(ids.slice(0, n)).map(({ text }) => text);
      expect(seen.slice(0, -1).map((text) => text.replaceAll("\ufffd", ""))).toEqual(whole.slice(0, n - 1));
    }
  });

  test("refuses ids outside the vocabulary", () => {
    for (const id of [-1, 49_152, 1.5, Number.NaN]) {
      expect(() => tokenizer.decode([id])).toThrow(expect.objectContaining({ code: "ERR_TOKENLENSE_INPUT" }));
    }
    expect(tokenizer.decode([])).toBe("");
    expect(tokenizer.tokens([])).toEqual([]);
  });

  test("takes long text in reasonable pieces", () => {
    const text = `${"x".repeat(20_000)} ${"word ".repeat(20_000)}`;
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });
});

describe("other kinds of tokenizers", () => {
  test.each(["gpt-2", "llama-bpe"] as const)("%s cuts as the reference does", (pre) => {
    const other = build(checkpoint, { "tokenizer.ggml.pre": pre, "tokenizer.ggml.add_bos_token": false });
    for (const { text, ids, decoded } of golden.schemes[pre]) {
      expect({ text, ids: [...other.encode(text)] }).toEqual({ text, ids });
      expect(other.decode(ids)).toBe(decoded);
    }
  });

  test("adds BOS where the model does, and not twice", () => {
    const other = build(checkpoint, { "tokenizer.ggml.add_bos_token": true });
    const plain = [...tokenizer.encode("Hello")];
    expect([...other.encode("Hello")]).toEqual([1, ...plain]);
    expect([...other.encode("<|im_start|>Hello")]).toEqual([1, ...plain]);
    expect([...other.encode("")]).toEqual([1]);
  });

  test("SentencePiece's BPE gives SentencePiece's ids", () => {
    const { tokens, scores, types, bos, eos, unk, cases } = golden.sentencepiece;
    const settings = new Map<string, MetadataValue>(
      Object.entries({
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": bos,
        "tokenizer.ggml.eos_token_id": eos,
        "tokenizer.ggml.unknown_token_id": unk,
      }),
    );
    const files = tokenizerFromGguf({ format: "gguf", path: "small", tensors: new Map(), settings }, tokens.length);
    const small = new Tokenizer(files.json, files.config, { ...files, vocabulary: tokens.length });
    expect(cases.length).toBeGreaterThan(100);
    for (const { text, ids } of cases) {
      expect({ text, ids: [...small.encode(text)] }).toEqual({ text, ids });
      expect(small.decode(small.encode(text).subarray(1))).toBe(text);
    }
  });

  test.each([
    ["tokenizer.ggml.model", "rwkv", "rwkv"],
    ["tokenizer.ggml.model", "toString", "toString"],
    ["tokenizer.ggml.pre", "toString", "toString"],
  ])("refuses %s = %s", (key, value, named) => {
    expect(() => build(checkpoint, { [key]: value })).toThrow(
      expect.objectContaining({
        code: "ERR_TOKENLENSE_ARCHITECTURE",
        message: expect.stringContaining(named) as string,
      }),
    );
  });

  test.each([
    ["tokenizer.ggml.tokens", ["a", "a"]],
    ["tokenizer.ggml.tokens", 7],
    ["tokenizer.ggml.merges", ["no such"]],
    ["tokenizer.ggml.token_type", [1]],
    ["tokenizer.ggml.bos_token_id", 50_000],
  ])("refuses a damaged %s", (key, value) => {
    expect(() => build(checkpoint, { [key]: value })).toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_FORMAT" }),
    );
  });
});
