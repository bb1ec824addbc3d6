import { beforeAll, describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue as Plain } from "../../src/models/checkpoint.js";
import { readGguf } from "../../src/models/gguf.js";
import { PRE_TOKENIZERS } from "../../src/models/pre-tokenizers.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { realGguf } from "./real.js";
import { golden, metadata, throughFile, toTokenizer } from "./vocabulary.js";

describe("byte-level BPE", () => {
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await readGguf(await realGguf());
  });
  const withPre = (pre: Plain) => {
    const settings = new Map([
      ...checkpoint.settings,
      ["tokenizer.ggml.pre", pre],
      ["tokenizer.ggml.add_bos_token", false],
    ]);
    return toTokenizer({ ...checkpoint, settings: settings as Checkpoint["settings"] });
  };
  const { texts, names } = golden.preTokenizers;

  test.each(Object.keys(names))("%s cuts as the model's own tokenizer does", (name) => {
    const tokenizer = withPre(name);
    texts.forEach((text, i) => {
      const ids = names[name]?.[i] ?? golden.preTokenizers["gpt-2"][i];
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
    });
  });

  test("has a golden for every name", () => {
    const compared = [...Object.keys(names), "gpt-2", "smollm", "llama-bpe"]; // the last three in tokenizer.test.ts
    expect(compared.sort()).toEqual([...PRE_TOKENIZERS.keys()].sort());
  });

  test("refuses an unknown name, and takes a file without one as llama.cpp does", () => {
    expect(() => withPre("superbpe")).toThrow(
      expect.objectContaining({
        code: "ERR_TOKENLENSE_ARCHITECTURE",
        message: expect.stringMatching(/"superbpe", not one of .*qwen2/) as string,
      }),
    );
    const settings = new Map(checkpoint.settings);
    settings.delete("tokenizer.ggml.pre");
    const text = "It's 12345, isn't it?";
    expect(toTokenizer({ ...checkpoint, settings }).encode(text)).toEqual(withPre("default").encode(text));
  });
});

describe("SentencePiece's BPE", () => {
  test("gives SentencePiece's ids where symbols of its own stand for spaces and line ends", async () => {
    const { bpe } = golden.sentencepiece;
    const tokenizer = await throughFile(metadata.bpe);
    expect(bpe.cases.length).toBeGreaterThan(100);
    for (const { text, ids } of bpe.cases) {
      expect({ text, ids: [...tokenizer.encode(text, { ends: true })] }).toEqual({ text, ids });
      expect([...tokenizer.encode(text)]).toEqual(ids.slice(0, -1));
      expect([...tokenizer.encode(text, { begins: false, ends: true })]).toEqual(ids.slice(1));
      expect(tokenizer.decode(ids.slice(1, -1))).toBe(text);
    }
    const turn = bpe.tokens.indexOf("[turn]");
    expect([...tokenizer.encode("[turn]")]).toEqual([bpe.bos, turn]);
  });

  test("lets Phi-3's control tokens take white space along, and puts a space before every stretch of text", async () => {
    const tokenizer = await throughFile(metadata.phi3);
    for (const { text, ids } of golden.phi3.cases)
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
    expect(tokenizer.special.eos).toEqual([golden.phi3.eos, golden.phi3.tokens.indexOf("<|end|>")]);
  });

  test("puts a space before the first stretch only where a folder's Metaspace says so", () => {
    const { tokens, scores, types, metaspace } = golden.phi3;
    const settings = new Map<string, Plain>([
      ["tokenizer.ggml.model", "llama"],
      ["tokenizer.ggml.tokens", tokens],
      ["tokenizer.ggml.scores", scores],
      ["tokenizer.ggml.token_type", types],
      ["general.name", "phi-3"],
    ]);
    const checkpoint: Checkpoint = { format: "gguf", path: "small", tensors: new Map(), settings };
    const files = tokenizerFromGguf(checkpoint, tokens.length);
    const json = {
      ...files.json,
      normalizer: null,
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false },
    };
    const tokenizer = new Tokenizer(json, files.config, { ...files, vocabulary: tokens.length });
    for (const { text, ids } of metaspace) expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
    expect(tokenizer.decode(tokenizer.encode("is", { begins: false }))).toBe("is");
    expect(tokenizer.locate(tokenizer.encode(" is"), " is").at(-1)?.[1]).toBe(3);
  });

  test("puts no space before a text that goes on", async () => {
    const tokenizer = await throughFile(metadata.phi3);
    const whole = (text: string) =>
      tokenizer.decode([
        golden.phi3.bos,
        ...tokenizer.encode("Par", { begins: false }),
        ...tokenizer.encode(text, { begins: false }),
      ]);
    expect(whole("is")).toBe("<s>Paris");
    expect(whole("  is")).toBe("<s>Par  is");
  });
});

describe("SentencePiece's unigram", () => {
  const { unigram } = golden.sentencepiece;

  test.each(unigram.variants)("gives SentencePiece's ids: collapse $collapse, prefix $prefix", async (variant) => {
    const tokenizer = await throughFile(metadata.unigram(variant.collapse, variant.prefix));
    expect(variant.cases.length).toBeGreaterThan(80);
    for (const { text, ids } of variant.cases)
      expect({ text, ids: [...tokenizer.encode(text, { ends: true })] }).toEqual({ text, ids });
  });

  test("refuses a table of characters", async () => {
    const table = { "tokenizer.ggml.precompiled_charsmap": { i32s: [1, 2] } };
    await expect(throughFile({ ...metadata.unigram(true, true), ...table })).rejects.toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_ARCHITECTURE" }),
    );
  });
});

describe("WordPiece", () => {
  test("gives the reference's ids and text", async () => {
    const tokenizer = await throughFile(metadata.wordpiece);
    const { cases } = golden.wordpiece;
    expect(cases.length).toBeGreaterThan(150);
    for (const { text, ids, decoded } of cases) {
      expect({ text, ids: [...tokenizer.encode(text, { ends: true })] }).toEqual({ text, ids });
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });
});
