import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { subwordSpans } from "../../src/aggregation/subwords.js";
import { readGguf } from "../../src/models/gguf.js";
import type { Model } from "../../src/models/model.js";
import type { Tokenizer } from "../../src/models/tokenizer.js";
import { toTokens } from "../../src/sequence.js";
import { realGguf } from "../models/real.js";
import { metadata, throughFile, toTokenizer } from "../models/vocabulary.js";

const tokenizers: Record<string, Tokenizer> = {};
beforeAll(async () => {
  tokenizers["byte-level BPE"] = toTokenizer(await readGguf(await realGguf()));
  tokenizers["SentencePiece without a prefix"] = await throughFile(metadata.bpe);
  tokenizers["SentencePiece with one"] = await throughFile(metadata.phi3);
  tokenizers.unigram = await throughFile(metadata.unigram(true, true));
  tokenizers.WordPiece = await throughFile(metadata.wordpiece);
});

/** The words of a text, as the spans of its tokens cut it. */
function words(tokenizer: Tokenizer, text: string): string[] {
  const tokens = toTokens({ tokenizer } as unknown as Model, tokenizer.encode(text), text, 0);
  const spans = subwordSpans(tokens);
  const merged = spans.map(([from, to]) => text.slice(tokens[from]?.start, tokens[to - 1]?.end));
  const single = tokens.filter((_, i) => !spans.some(([from, to]) => i >= from && i < to));
  const alone = single.map(({ start, end }) => text.slice(start, end));
  const place = (word: string) => text.indexOf(word);
  return [...merged, ...alone].filter((word) => word !== "").sort((a, b) => place(a) - place(b));
}

describe.each(["byte-level BPE", "SentencePiece without a prefix", "SentencePiece with one", "unigram", "WordPiece"])(
  "words of %s",
  (name) => {
    test("are those between spaces", () => {
      // Each another word, so that its place in the text is known, and two at least, so that a space marks them.
      const word = fc.string({ unit: fc.constantFrom(..."aeiounrstlé"), minLength: 1, maxLength: 9 });
      fc.assert(
        fc.property(fc.uniqueArray(word, { minLength: 2, maxLength: 8 }), (list) => {
          const numbered = list.map((one, i) => `${"bcdfghjk"[i]}${one}`);
          const found = words(tokenizers[name] as Tokenizer, numbered.join(" "));
          expect(found.map((one) => one.trim())).toEqual(numbered);
        }),
        { numRuns: 200 },
      );
    });

    test("end at a line's end", () => {
      const tokenizer = tokenizers[name] as Tokenizer;
      expect(
        words(tokenizer, "unbelievable stories\ntold quietly")
          .map((one) => one.trim())
          .filter(Boolean),
      ).toEqual(["unbelievable", "stories", "told", "quietly"]);
    });
  },
);
