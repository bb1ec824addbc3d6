import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Checkpoint, MetadataValue as Plain } from "../../src/models/checkpoint.js";
import { readGguf } from "../../src/models/gguf.js";
import { PRE_TOKENIZERS } from "../../src/models/pre-tokenizers.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { type MetadataValue, writeGguf } from "./gguf-writer.js";
import { realGguf } from "./real.js";

interface Case {
  text: string;
  ids: number[];
}

interface Small {
  tokens: string[];
  scores: number[];
  types: number[];
  bos: number;
  eos: number;
  unk: number;
  cases: Case[];
}

const golden = JSON.parse(readFileSync(new URL("../goldens/vocabularies.json", import.meta.url), "utf8")) as {
  preTokenizers: { texts: string[]; "gpt-2": number[][]; names: Record<string, Record<string, number[]>> };
  sentencepiece: {
    bpe: Small;
    unigram: Omit<Small, "cases"> & { variants: { collapse: boolean; prefix: boolean; cases: Case[] }[] };
  };
  phi3: Small;
  wordpiece: {
    tokens: string[];
    types: number[];
    cls: number;
    sep: number;
    unk: number;
    pad: number;
    cases: (Case & { decoded: string })[];
  };
};

const folder = mkdtempSync(join(tmpdir(), "tokenlense-vocabularies-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A tokenizer by way of a GGUF file and, as in an archive, of JSON. */
async function throughFile(metadata: Record<string, MetadataValue>): Promise<Tokenizer> {
  const path = join(folder, "vocabulary.gguf");
  writeGguf(path, { metadata, tensors: [] });
  return toTokenizer(await readGguf(path));
}

function toTokenizer(checkpoint: Checkpoint): Tokenizer {
  const vocabulary = (checkpoint.settings.get("tokenizer.ggml.tokens") as string[]).length;
  const files = tokenizerFromGguf(checkpoint, vocabulary);
  const [json, config] = [JSON.parse(JSON.stringify(files.json)), JSON.parse(JSON.stringify(files.config))];
  return new Tokenizer(json, config, { ...files, vocabulary });
}

const pieces = ({ tokens, scores, types, bos, eos, unk }: Omit<Small, "cases">): Record<string, MetadataValue> => ({
  "tokenizer.ggml.tokens": { strings: tokens },
  "tokenizer.ggml.scores": { f32s: scores },
  "tokenizer.ggml.token_type": { i32s: types },
  "tokenizer.ggml.bos_token_id": { u32: bos },
  "tokenizer.ggml.eos_token_id": { u32: eos },
  "tokenizer.ggml.unknown_token_id": { u32: unk },
});

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
    const tokenizer = await throughFile({
      ...pieces(bpe),
      "tokenizer.ggml.model": { string: "llama" },
      "tokenizer.ggml.add_space_prefix": { bool: false },
      "tokenizer.ggml.add_eos_token": { bool: true },
    });
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
    const tokenizer = await throughFile({
      ...pieces(golden.phi3),
      "tokenizer.ggml.model": { string: "llama" },
      "general.name": { string: "Phi-3 Mini 4k Instruct" },
    });
    for (const { text, ids } of golden.phi3.cases)
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
    expect(tokenizer.special.eos).toEqual([golden.phi3.eos, golden.phi3.tokens.indexOf("<|end|>")]);
  });

  test("puts no space before a text that goes on", async () => {
    const tokenizer = await throughFile({ ...pieces(golden.phi3), "tokenizer.ggml.model": { string: "llama" } });
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
    const tokenizer = await throughFile({
      ...pieces(unigram),
      "tokenizer.ggml.model": { string: "t5" },
      "tokenizer.ggml.remove_extra_whitespaces": { bool: variant.collapse },
      "tokenizer.ggml.add_space_prefix": { bool: variant.prefix },
    });
    expect(variant.cases.length).toBeGreaterThan(80);
    for (const { text, ids } of variant.cases)
      expect({ text, ids: [...tokenizer.encode(text, { ends: true })] }).toEqual({ text, ids });
  });

  test("refuses a table of characters", async () => {
    const metadata = {
      ...pieces(unigram),
      "tokenizer.ggml.model": { string: "t5" },
      "tokenizer.ggml.precompiled_charsmap": { i32s: [1, 2] },
    };
    await expect(throughFile(metadata)).rejects.toThrow(
      expect.objectContaining({ code: "ERR_TOKENLENSE_ARCHITECTURE" }),
    );
  });
});

describe("WordPiece", () => {
  test("gives the reference's ids and text", async () => {
    const { tokens, types, cls, sep, unk, pad, cases } = golden.wordpiece;
    const tokenizer = await throughFile({
      "tokenizer.ggml.model": { string: "bert" },
      "tokenizer.ggml.tokens": { strings: tokens },
      "tokenizer.ggml.token_type": { i32s: types },
      "tokenizer.ggml.cls_token_id": { u32: cls },
      "tokenizer.ggml.seperator_token_id": { u32: sep },
      "tokenizer.ggml.unknown_token_id": { u32: unk },
      "tokenizer.ggml.padding_token_id": { u32: pad },
    });
    expect(cases.length).toBeGreaterThan(150);
    for (const { text, ids, decoded } of cases) {
      expect({ text, ids: [...tokenizer.encode(text, { ends: true })] }).toEqual({ text, ids });
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });
});
