import { z } from "zod";
import { type Checkpoint, inconsistent, unsupported } from "./checkpoint.js";
import type { Contract } from "./contract.js";
import { SCHEMES, TYPES } from "./schemes.js";

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

const id = z.int().nonnegative();
const settingsSchema = z.object({
  "tokenizer.ggml.model": z.string(),
  "tokenizer.ggml.pre": z.string().optional(),
  "tokenizer.ggml.tokens": z.array(z.string()).min(1),
  "tokenizer.ggml.token_type": z.array(z.int()).optional(),
  "tokenizer.ggml.scores": z.array(z.number()).optional(),
  "tokenizer.ggml.merges": z.array(z.string()).optional(),
  "tokenizer.ggml.precompiled_charsmap": z.array(z.int()).optional(),
  "tokenizer.ggml.remove_extra_whitespaces": z.boolean().optional(),
  "tokenizer.ggml.bos_token_id": id.optional(),
  "tokenizer.ggml.cls_token_id": id.optional(),
  "tokenizer.ggml.eos_token_id": id.optional(),
  "tokenizer.ggml.eot_token_id": id.optional(),
  "tokenizer.ggml.eom_token_id": id.optional(),
  "tokenizer.ggml.seperator_token_id": id.optional(), // so spelt in the format
  "tokenizer.ggml.unknown_token_id": id.optional(),
  "tokenizer.ggml.padding_token_id": id.optional(),
  "tokenizer.ggml.add_bos_token": z.boolean().optional(),
  "tokenizer.ggml.add_eos_token": z.boolean().optional(),
  "tokenizer.ggml.add_sep_token": z.boolean().optional(),
  "tokenizer.ggml.add_space_prefix": z.boolean().optional(),
  "tokenizer.chat_template": z.string().optional(),
  "general.name": z.string().optional(),
});

/** What a GGUF file says of its vocabulary. */
export interface GgufVocabulary {
  /** The file, for messages. */
  path: string;
  settings: z.infer<typeof settingsSchema>;
  /** As tokenizer.json has them. */
  tokens: string[];
  types: number[];
  ids: Record<string, number>;
  unknown: string | undefined;
  unknownId: number | null;
}

/** Control tokens that end a turn wherever they occur; files of instruction-tuned models name only one end token or two. */
const TURN_ENDS = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>"];

/** Phi-3's control tokens take the white space after them along, but for these. */
const PHI3_KEEPS_SPACE = ["<unk>", "<s>", "<|endoftext|>"];

/**
 * The tokenizer of a GGUF file as Hugging Face's two files: byte-level BPE (`gpt2`), SentencePiece's BPE (`llama`) and unigram
 * (`t5`), and WordPiece (`bert`).
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
  const kind = read["tokenizer.ggml.model"];
  const scheme = SCHEMES.get(kind);
  if (!scheme)
    throw unsupported(path, `has a tokenizer of kind "${kind}", not one of ${[...SCHEMES.keys()].join(", ")}`);
  const listed = read["tokenizer.ggml.tokens"];
  const types = read["tokenizer.ggml.token_type"] ?? listed.map(() => TYPES.normal);
  const tokens = listed.map((token, at) => scheme.spell?.(token, types[at] as number) ?? token);
  const ids = Object.fromEntries(tokens.map((token, at) => [token, at]));
  if (Object.keys(ids).length !== tokens.length) throw inconsistent(path, "has the same token twice");
  if (tokens.length > vocabularySize || types.length !== tokens.length) {
    throw inconsistent(
      path,
      `has ${tokens.length} tokens, ${types.length} token types and ${vocabularySize} embeddings`,
    );
  }

  const { defaults = {} } = scheme;
  const named = (token: number | undefined, otherwise?: number): number | null => {
    if (token !== undefined && token >= tokens.length)
      throw inconsistent(path, `has ${tokens.length} tokens and names token ${token}`);
    return token ?? (otherwise !== undefined && otherwise < tokens.length ? otherwise : null);
  };
  const ends = [
    named(read["tokenizer.ggml.eos_token_id"], defaults.eos),
    named(read["tokenizer.ggml.eot_token_id"]),
    named(read["tokenizer.ggml.eom_token_id"]),
    ...TURN_ENDS.map((token) => ids[token]).filter((at) => at !== undefined && types[at] === TYPES.control),
  ];
  const specials = {
    bos: named(read["tokenizer.ggml.cls_token_id"] ?? read["tokenizer.ggml.bos_token_id"], defaults.bos),
    eos: [...new Set(ends)].filter((at): at is number => at !== null && at !== undefined),
    pad: named(read["tokenizer.ggml.padding_token_id"]),
    unk: named(read["tokenizer.ggml.unknown_token_id"], defaults.unk),
  };
  const text = (token: number | null | undefined) =>
    token === null || token === undefined ? undefined : tokens[token];
  const names = {
    bos: text(specials.bos),
    eos: text(specials.eos[0]),
    sep: text(named(read["tokenizer.ggml.seperator_token_id"], defaults.sep)),
    pad: text(specials.pad),
    unk: text(specials.unk),
  };

  const unknown = { unknown: names.unk, unknownId: specials.unk };
  const vocabulary: GgufVocabulary = { path, settings: read, tokens, types, ids, ...unknown };
  const around = scheme.around(vocabulary);
  const before = (read["tokenizer.ggml.add_bos_token"] ?? around.bos) ? names.bos : undefined;
  const after = [
    (read["tokenizer.ggml.add_eos_token"] ?? around.eos) ? names.eos : undefined,
    (read["tokenizer.ggml.add_sep_token"] ?? around.sep) ? names.sep : undefined,
  ];
  const trims = /phi-?3/i.test(read["general.name"] ?? "");
  const json: TokenizerJson = {
    version: "1.0",
    added_tokens: tokens.flatMap((content, at) => {
      const type = types[at];
      if (type !== TYPES.control && type !== TYPES.userDefined && type !== TYPES.unknown) return [];
      const special = type !== TYPES.userDefined;
      const rstrip = trims && special && !PHI3_KEEPS_SPACE.includes(content);
      return [{ id: at, content, single_word: false, lstrip: false, rstrip, normalized: false, special }];
    }),
    ...scheme.parts(vocabulary),
    post_processor: surrounding([before], after, ids),
  };
  const template = read["tokenizer.chat_template"] ?? null;
  return {
    json,
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      add_bos_token: before !== undefined,
      ...Object.fromEntries(
        Object.entries(names).flatMap(([name, token]) => (token === undefined ? [] : [[`${name}_token`, token]])),
      ),
      ...(template === null ? {} : { chat_template: template }),
    },
    tokens: specials,
    addBos: before !== undefined,
    chatTemplate: template,
  };
}

/** What puts tokens before and after every text; null for none. */
function surrounding(
  before: readonly (string | undefined)[],
  after: readonly (string | undefined)[],
  ids: Record<string, number>,
): TokenizerPart | null {
  const marks = (tokens: readonly (string | undefined)[]) =>
    tokens.filter((token) => token !== undefined).map((id) => ({ SpecialToken: { id, type_id: 0 } }));
  const [first, last] = [marks(before), marks(after)];
  if (first.length + last.length === 0) return null;
  const sequence = (name: "A" | "B") => ({ Sequence: { id: name, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [...first, sequence("A"), ...last],
    pair: [...first, sequence("A"), sequence("B"), ...last],
    special_tokens: Object.fromEntries(
      [...first, ...last].map(({ SpecialToken: { id } }) => [id, { id, ids: [ids[id]], tokens: [id] }]),
    ),
  };
}
