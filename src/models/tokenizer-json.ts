import { z } from "zod";
import { type Checkpoint, inconsistent, unsupported } from "./checkpoint.js";
import type { Contract } from "./contract.js";

/** A part of tokenizer.json: its type, and what parts of that type have. */
export interface TokenizerPart {
  type: string;
  [setting: string]: unknown;
}

/** Content of tokenizer.json, as far as this package looks into it. */
export interface TokenizerJson {
  version?: string;
  added_tokens: { id: number; content: string; [setting: string]: unknown }[];
  normalizer: TokenizerPart | null;
  pre_tokenizer: TokenizerPart | null;
  post_processor: TokenizerPart | null;
  decoder: TokenizerPart | null;
  model: TokenizerPart;
}

/** The two tokenizer files of a Hugging Face folder, and what the contract says of them. */
export interface TokenizerFiles {
  /** Content of tokenizer.json. */
  json: TokenizerJson;
  /** Content of tokenizer_config.json. */
  config: Record<string, unknown>;
  tokens: Contract["tokens"];
  addBos: boolean;
  chatTemplate: string | null;
}

/** Of GPT-2 (Radford et al. 2019). */
const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** Of Llama 3. */
const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const split = (pattern: string): TokenizerPart => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const bytes: TokenizerPart = {
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: false,
  use_regex: false,
};

/** How text is cut before merging, by `tokenizer.ggml.pre`. `wholeWords`: a piece that is a token is taken as it is. */
const PRE_TOKENIZERS = new Map<string, { steps: TokenizerPart[]; wholeWords: boolean; addBos: boolean }>([
  ["gpt-2", { steps: [split(GPT2_PATTERN), bytes], wholeWords: false, addBos: false }],
  ["smollm", { steps: [split("\\p{N}"), split(GPT2_PATTERN), bytes], wholeWords: false, addBos: false }],
  ["llama-bpe", { steps: [split(LLAMA3_PATTERN), bytes], wholeWords: true, addBos: true }],
]);

const id = z.int().nonnegative();
const settingsSchema = z.object({
  "tokenizer.ggml.model": z.string(),
  "tokenizer.ggml.pre": z.string().optional(),
  "tokenizer.ggml.tokens": z.array(z.string()).min(1),
  "tokenizer.ggml.token_type": z.array(z.int()).optional(),
  "tokenizer.ggml.scores": z.array(z.number()).optional(),
  "tokenizer.ggml.merges": z.array(z.string()).optional(),
  "tokenizer.ggml.bos_token_id": id.optional(),
  "tokenizer.ggml.eos_token_id": id.optional(),
  "tokenizer.ggml.eot_token_id": id.optional(),
  "tokenizer.ggml.eom_token_id": id.optional(),
  "tokenizer.ggml.unknown_token_id": id.optional(),
  "tokenizer.ggml.padding_token_id": id.optional(),
  "tokenizer.ggml.add_bos_token": z.boolean().optional(),
  "tokenizer.ggml.add_space_prefix": z.boolean().optional(),
  "tokenizer.chat_template": z.string().optional(),
});
type Settings = z.infer<typeof settingsSchema>;

/** ggml's token types. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * The tokenizer of a GGUF file as Hugging Face's two files: byte-level BPE (`gpt2`) and SentencePiece's BPE (`llama`).
 * @throws ERR_TOKENLENSE_ARCHITECTURE for another kind or another pre-tokenizer, ERR_TOKENLENSE_FORMAT where the file's
 * vocabulary contradicts itself.
 */
export function tokenizerFromGguf(checkpoint: Checkpoint, vocabularySize: number): TokenizerFiles {
  const { path, settings } = checkpoint;
  const parsed = settingsSchema.safeParse(Object.fromEntries(settings));
  if (!parsed.success)
    throw inconsistent(
      path,
      `has a tokenizer that does not hold: ${z.prettifyError(parsed.error).replace(/\s*\n\s*/g, " ")}`,
    );
  const read = parsed.data;
  const tokens = read["tokenizer.ggml.tokens"];
  const types = read["tokenizer.ggml.token_type"] ?? tokens.map(() => 1);
  const vocabulary = Object.fromEntries(tokens.map((token, at) => [token, at]));
  if (Object.keys(vocabulary).length !== tokens.length) throw inconsistent(path, "has the same token twice");
  if (tokens.length > vocabularySize || types.length !== tokens.length) {
    throw inconsistent(
      path,
      `has ${tokens.length} tokens, ${types.length} token types and ${vocabularySize} embeddings`,
    );
  }
  const specials = {
    bos: read["tokenizer.ggml.bos_token_id"] ?? null,
    eos: ["eos", "eot", "eom"]
      .map((name) => read[`tokenizer.ggml.${name}_token_id` as "tokenizer.ggml.eos_token_id"])
      .filter((value, at, all): value is number => value !== undefined && all.indexOf(value) === at),
    pad: read["tokenizer.ggml.padding_token_id"] ?? null,
    unk: read["tokenizer.ggml.unknown_token_id"] ?? null,
  };
  const text = (token: number | null | undefined): string | undefined => {
    if (token === null || token === undefined) return undefined;
    if (token >= tokens.length) throw inconsistent(path, `has ${tokens.length} tokens and names token ${token}`);
    return tokens[token];
  };
  const names = {
    bos: text(specials.bos),
    eos: text(specials.eos[0]),
    pad: text(specials.pad),
    unk: text(specials.unk),
  };
  specials.eos.forEach(text);

  const scheme = schemes.get(read["tokenizer.ggml.model"]);
  if (!scheme)
    throw unsupported(
      path,
      `has a tokenizer of kind "${read["tokenizer.ggml.model"]}", not one of ${[...schemes.keys()].join(", ")}`,
    );
  const { addBos: customary, ...parts } = scheme(path, read, vocabulary, names.unk);
  const addBos = (read["tokenizer.ggml.add_bos_token"] ?? customary) && names.bos !== undefined;
  const json: TokenizerJson = {
    version: "1.0",
    added_tokens: tokens.flatMap((content, at) => {
      const type = types[at];
      if (type !== CONTROL && type !== USER_DEFINED && type !== UNKNOWN) return [];
      const special = type !== USER_DEFINED;
      return [{ id: at, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
    }),
    ...parts,
    post_processor: addBos && names.bos !== undefined ? beginWith(names.bos, specials.bos as number) : null,
  };
  const template = read["tokenizer.chat_template"] ?? null;
  return {
    json,
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      add_bos_token: addBos,
      ...Object.fromEntries(
        Object.entries(names).flatMap(([name, token]) => (token === undefined ? [] : [[`${name}_token`, token]])),
      ),
      ...(template === null ? {} : { chat_template: template }),
    },
    tokens: specials,
    addBos,
    chatTemplate: template,
  };
}

type Scheme = (
  path: string,
  settings: Settings,
  vocabulary: Record<string, number>,
  unknown: string | undefined,
) => Pick<TokenizerJson, "normalizer" | "pre_tokenizer" | "decoder" | "model"> & { addBos: boolean };

const byteLevelBpe: Scheme = (path, settings, vocabulary) => {
  const name = settings["tokenizer.ggml.pre"] ?? "(none)";
  const pre = PRE_TOKENIZERS.get(name);
  if (!pre)
    throw unsupported(path, `has the pre-tokenizer "${name}", not one of ${[...PRE_TOKENIZERS.keys()].join(", ")}`);
  const merges = settings["tokenizer.ggml.merges"] ?? [];
  for (const merge of merges) {
    const [left, right, more] = merge.split(" ");
    if (!left || !right || more !== undefined || !Object.hasOwn(vocabulary, left + right)) {
      throw inconsistent(path, `has the merge "${merge}", which makes no token`);
    }
  }
  return {
    addBos: pre.addBos,
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      vocab: vocabulary,
      merges,
      ignore_merges: pre.wholeWords,
      byte_fallback: false,
      fuse_unk: false,
    },
  };
};

const sentencePieceBpe: Scheme = (path, settings, vocabulary, unknown) => {
  const scores = settings["tokenizer.ggml.scores"];
  if (scores?.length !== Object.keys(vocabulary).length) throw inconsistent(path, "has not one score for each token");
  const prefix = settings["tokenizer.ggml.add_space_prefix"] ?? true;
  return {
    addBos: true,
    pre_tokenizer: null,
    normalizer: {
      type: "Sequence",
      normalizers: [
        ...(prefix ? [{ type: "Prepend", prepend: "▁" }] : []),
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      vocab: vocabulary,
      merges: mergesFromScores(vocabulary, scores),
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
    },
  };
};

const schemes = new Map([
  ["gpt2", byteLevelBpe],
  ["llama", sentencePieceBpe],
]);

/** SentencePiece merges the pair whose result scores best; as ranks, those are BPE merges (as transformers derives them). */
function mergesFromScores(vocabulary: Record<string, number>, scores: number[]): string[] {
  const merges: { left: string; right: string; score: number; order: number }[] = [];
  for (const [token, at] of Object.entries(vocabulary)) {
    const characters = [...token];
    for (let cut = 1; cut < characters.length; cut++) {
      const [left, right] = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
      if (!Object.hasOwn(vocabulary, left) || !Object.hasOwn(vocabulary, right)) continue;
      merges.push({ left, right, score: scores[at] as number, order: vocabulary[left] as number });
    }
  }
  return merges
    .sort(
      (a, b) =>
        b.score - a.score ||
        [...b.left].length - [...a.left].length ||
        [...b.right].length - [...a.right].length ||
        a.order - b.order,
    )
    .map(({ left, right }) => `${left} ${right}`);
}

function beginWith(bos: string, token: number): TokenizerPart {
  const first = { SpecialToken: { id: bos, type_id: 0 } };
  return {
    type: "TemplateProcessing",
    single: [first, { Sequence: { id: "A", type_id: 0 } }],
    pair: [first, { Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }],
    special_tokens: { [bos]: { id: bos, ids: [token], tokens: [bos] } },
  };
}
