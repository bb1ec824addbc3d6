/** The small vocabularies of tests/goldens/vocabularies.json as tokenizers, by way of a GGUF file and of JSON, as in an archive. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoint } from "../../src/models/checkpoint.js";
import { readGguf } from "../../src/models/gguf.js";
import { Tokenizer } from "../../src/models/tokenizer.js";
import { tokenizerFromGguf } from "../../src/models/tokenizer-json.js";
import { type MetadataValue, writeGguf } from "./gguf-writer.js";

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

export const golden = JSON.parse(readFileSync(new URL("../goldens/vocabularies.json", import.meta.url), "utf8")) as {
  preTokenizers: { texts: string[]; "gpt-2": number[][]; names: Record<string, Record<string, number[]>> };
  sentencepiece: {
    bpe: Small;
    unigram: Omit<Small, "cases"> & { variants: { collapse: boolean; prefix: boolean; cases: Case[] }[] };
  };
  phi3: Small & { metaspace: Case[] };
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

export async function throughFile(metadata: Record<string, MetadataValue>): Promise<Tokenizer> {
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-vocabulary-"));
  try {
    const path = join(folder, "vocabulary.gguf");
    writeGguf(path, { metadata, tensors: [] });
    return toTokenizer(await readGguf(path));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function toTokenizer(checkpoint: Checkpoint): Tokenizer {
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

/** Metadata of a file with each kind of small vocabulary. */
export const metadata = {
  bpe: {
    ...pieces(golden.sentencepiece.bpe),
    "tokenizer.ggml.model": { string: "llama" },
    "tokenizer.ggml.add_space_prefix": { bool: false },
    "tokenizer.ggml.add_eos_token": { bool: true },
  },
  phi3: {
    ...pieces(golden.phi3),
    "tokenizer.ggml.model": { string: "llama" },
    "general.name": { string: "Phi-3 Mini 4k Instruct" },
  },
  unigram: (collapse: boolean, prefix: boolean): Record<string, MetadataValue> => ({
    ...pieces(golden.sentencepiece.unigram),
    "tokenizer.ggml.model": { string: "t5" },
    "tokenizer.ggml.remove_extra_whitespaces": { bool: collapse },
    "tokenizer.ggml.add_space_prefix": { bool: prefix },
  }),
  wordpiece: {
    "tokenizer.ggml.model": { string: "bert" },
    "tokenizer.ggml.tokens": { strings: golden.wordpiece.tokens },
    "tokenizer.ggml.token_type": { i32s: golden.wordpiece.types },
    "tokenizer.ggml.cls_token_id": { u32: golden.wordpiece.cls },
    "tokenizer.ggml.seperator_token_id": { u32: golden.wordpiece.sep },
    "tokenizer.ggml.unknown_token_id": { u32: golden.wordpiece.unk },
    "tokenizer.ggml.padding_token_id": { u32: golden.wordpiece.pad },
  },
} as const;
