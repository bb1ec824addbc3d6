import { z } from "zod";
import { type Checkpoint, inconsistent, problems, unsupported } from "./checkpoint.js";
import type { Contract } from "./contract.js";
import { SCHEMES, type Scheme, TYPES } from "./schemes.js";

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

type Settings = z.infer<typeof settingsSchema>;

/** What a GGUF file says of its vocabulary. */
export interface GgufVocabulary {
  /** The file, for messages. */
  path: string;
  settings: Settings;
  /** As tokenizer.json has them. */
  tokens: string[];
  types: number[];
  ids: Record<string, number>;
  /** Ids of special tokens; null for none. */
  special: Record<"bos" | "eos" | "sep" | "pad" | "unk", number | null>;
}

/**
 * The tokenizer of a GGUF file as Hugging Face's two files: byte-level BPE (`gpt2`), SentencePiece's BPE (`llama`) and unigram
 * (`t5`), and WordPiece (`bert`).
 * @throws ERR_TOKENLENSE_ARCHITECTURE for another kind or another pre-tokenizer, ERR_TOKENLENSE_FORMAT where the file's
 * vocabulary contradicts itself.
 */
export function tokenizerFromGguf(checkpoint: Checkpoint, vocabularySize: number): TokenizerFiles {
  const settings = readSettings(checkpoint);
  const kind = settings["tokenizer.ggml.model"];
  const scheme = SCHEMES.get(kind);
  if (!scheme)
    throw unsupported(
      checkpoint.path,
      `has a tokenizer of kind "${kind}", not one of ${[...SCHEMES.keys()].join(", ")}`,
    );
  const vocabulary = readVocabulary(checkpoint.path, settings, scheme, vocabularySize);
  const { tokens, special } = vocabulary;
  const named = Object.entries(special).flatMap(([name, id]) => (id === null ? [] : [[name, tokens[id] as string]]));
  const names: Partial<Record<keyof typeof special, string>> = Object.fromEntries(named);

  const around = scheme.around(vocabulary);
  const before = (settings["tokenizer.ggml.add_bos_token"] ?? around.bos) ? names.bos : undefined;
  const after = [
    (settings["tokenizer.ggml.add_eos_token"] ?? around.eos) ? names.eos : undefined,
    (settings["tokenizer.ggml.add_sep_token"] ?? around.sep) ? names.sep : undefined,
  ];
  const template = settings["tokenizer.chat_template"] ?? null;
  return {
    json: {
      version: "1.0",
      added_tokens: addedTokens(vocabulary),
      ...scheme.parts(vocabulary),
      post_processor: surrounding([before], after, vocabulary.ids),
    },
    config: {
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      add_bos_token: before !== undefined,
      ...Object.fromEntries(named.map(([name, token]) => [`${name}_token`, token])),
      ...(template === null ? {} : { chat_template: template }),
    },
    tokens: { bos: special.bos, eos: endsOf(vocabulary), pad: special.pad, unk: special.unk },
    addBos: before !== undefined,
    chatTemplate: template,
  };
}

function readSettings({ path, settings }: Checkpoint): Settings {
  const parsed = settingsSchema.safeParse(Object.fromEntries(settings));
  if (parsed.success) return parsed.data;
  throw inconsistent(path, `has a tokenizer that does not hold: ${problems(parsed.error)}`);
}

function readVocabulary(path: string, settings: Settings, scheme: Scheme, embeddings: number): GgufVocabulary {
  const listed = settings["tokenizer.ggml.tokens"];
  const types = settings["tokenizer.ggml.token_type"] ?? listed.map(() => TYPES.normal);
  const tokens = listed.map((token, at) => scheme.spell?.(token, types[at] as number) ?? token);
  const ids = Object.fromEntries(tokens.map((token, at) => [token, at]));
  if (Object.keys(ids).length !== tokens.length) throw inconsistent(path, "has the same token twice");
  if (tokens.length > embeddings || types.length !== tokens.length) {
    throw inconsistent(path, `has ${tokens.length} tokens, ${types.length} token types and ${embeddings} embeddings`);
  }
  const { defaults = {} } = scheme;
  const named = (token: number | undefined, otherwise?: number): number | null => {
    if (token !== undefined && token >= tokens.length)
      throw inconsistent(path, `has ${tokens.length} tokens and names token ${token}`);
    return token ?? (otherwise !== undefined && otherwise < tokens.length ? otherwise : null);
  };
  for (const more of ["eot", "eom"] as const) named(settings[`tokenizer.ggml.${more}_token_id`]);
  const special = {
    bos: named(settings["tokenizer.ggml.cls_token_id"] ?? settings["tokenizer.ggml.bos_token_id"], defaults.bos),
    eos: named(settings["tokenizer.ggml.eos_token_id"], defaults.eos),
    sep: named(settings["tokenizer.ggml.seperator_token_id"], defaults.sep),
    pad: named(settings["tokenizer.ggml.padding_token_id"]),
    unk: named(settings["tokenizer.ggml.unknown_token_id"], defaults.unk),
  };
  return { path, settings, tokens, types, ids, special };
}

/** Control tokens that end a turn wherever they occur; files of instruction-tuned models name only one end token or two. */
const TURN_ENDS = ["<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>"];

/** Where generation ends, the file's own end of text first. */
function endsOf({ settings, types, ids, special }: GgufVocabulary): number[] {
  const turns = TURN_ENDS.map((token) => ids[token]).filter((at) => at !== undefined && types[at] === TYPES.control);
  const named = [special.eos, settings["tokenizer.ggml.eot_token_id"], settings["tokenizer.ggml.eom_token_id"]];
  return [...new Set([...named, ...turns])].filter((at): at is number => at !== null && at !== undefined);
}

/** Phi-3's control tokens take the white space after them along, but for these. */
const PHI3_KEEPS_SPACE = ["<unk>", "<s>", "<|endoftext|>"];

function addedTokens({ settings, tokens, types }: GgufVocabulary): TokenizerJson["added_tokens"] {
  const trims = /phi-?3/i.test(settings["general.name"] ?? "");
  const added: readonly (number | undefined)[] = [TYPES.control, TYPES.userDefined, TYPES.unknown];
  return tokens.flatMap((content, id) => {
    if (!added.includes(types[id])) return [];
    const special = types[id] !== TYPES.userDefined;
    const rstrip = trims && special && !PHI3_KEEPS_SPACE.includes(content);
    return [{ id, content, single_word: false, lstrip: false, rstrip, normalized: false, special }];
  });
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
