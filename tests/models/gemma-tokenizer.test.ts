import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { readGguf } from "../../src/models/gguf.js";
import { KNOWN_MODELS, type KnownModel, obtain } from "../../src/models/sources.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";

const { gemma } = JSON.parse(readFileSync(new URL("../goldens/vocabularies.json", import.meta.url), "utf8")) as {
  gemma: { text: string; ids: number[] }[];
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  const checkpoint = await readGguf(await obtain("gemma-3-270m", KNOWN_MODELS["gemma-3-270m"] as KnownModel));
  const files = tokenizerFromGguf(checkpoint, 262_144);
  tokenizer = new Tokenizer(files.json, files.config, { ...files, vocabulary: 262_144 });
});

describe("Gemma 3's tokenizer", () => {
  test("gives SentencePiece's ids", () => {
    expect(gemma.length).toBeGreaterThan(200);
    for (const { text, ids } of gemma) {
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids });
      expect(`<bos>${text.replace(/^<bos>/, "")}`).toBe(tokenizer.decode(ids));
    }
  });
});
