import { inconsistent, unsupported } from "./checkpoint.js";
import { mergesFromScores } from "./merges.js";
import { PRE_TOKENIZERS } from "./pre-tokenizers.js";
import type { GgufVocabulary, TokenizerJson, TokenizerPart } from "./tokenizer-json.js";

/** ggml's token types. */
export const TYPES = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** How one kind of GGUF vocabulary becomes a tokenizer.json. */
export interface Scheme {
  /** A token as tokenizer.json has it, where the file has it otherwise. */
  spell?(token: string, type: number): string;
  /** Ids of special tokens that a file of this kind need not name. */
  defaults?: { bos?: number; eos?: number; unk?: number; sep?: number };
  /** What is put around a text unless the file says otherwise. */
  around(vocabulary: GgufVocabulary): { bos: boolean; eos: boolean; sep: boolean };
  parts(vocabulary: GgufVocabulary): Pick<TokenizerJson, "normalizer" | "pre_tokenizer" | "decoder" | "model">;
}

const replace = (pattern: { String: string } | { Regex: string }, content: string): TokenizerPart => ({
  type: "Replace",
  pattern,
  content,
});
const spacesToMarks = replace({ String: " " }, "▁");

const byteLevelBpe: Scheme = {
  around: (vocabulary) => ({ bos: preTokenizer(vocabulary).addBos, eos: false, sep: false }),
  parts(vocabulary) {
    const { path, ids, settings } = vocabulary;
    const pre = preTokenizer(vocabulary);
    const merges = settings["tokenizer.ggml.merges"] ?? [];
    for (const merge of merges) {
      const [left, right, more] = merge.split(" ");
      if (!left || !right || more !== undefined || !Object.hasOwn(ids, left + right)) {
        throw inconsistent(path, `has the merge "${merge}", which makes no token`);
      }
    }
    return {
      normalizer: pre.composed ? { type: "NFC" } : null,
      pre_tokenizer: { type: "Sequence", pretokenizers: pre.steps },
      decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      model: { type: "BPE", vocab: ids, merges, ignore_merges: pre.wholeWords, byte_fallback: false, fuse_unk: false },
    };
  },
};

function preTokenizer({ path, settings }: GgufVocabulary) {
  // llama.cpp takes "default" for files without a name too, which were converted before there was one.
  const name = settings["tokenizer.ggml.pre"] ?? "default";
  const pre = PRE_TOKENIZERS.get(name);
  if (pre) return pre;
  throw unsupported(path, `has the pre-tokenizer "${name}", not one of ${[...PRE_TOKENIZERS.keys()].join(", ")}`);
}

/** Of Llama 2, Mistral, TinyLlama, Phi-3 and Gemma. */
const sentencePieceBpe: Scheme = {
  // Text that these stand for has spaces, whatever the piece has.
  spell: (token, type) => (type === TYPES.userDefined ? token.replaceAll("▁", " ") : token),
  defaults: { bos: 1, eos: 2, unk: 0 },
  around: () => ({ bos: true, eos: false, sep: false }),
  parts(vocabulary) {
    const { ids, tokens, types, special, settings } = vocabulary;
    const prefix = settings["tokenizer.ggml.add_space_prefix"] ?? true;
    const merging = ({ type }: { type: number }) => type === TYPES.normal || type === TYPES.unused;
    const pieces = tokens.map((token, id) => ({ token, id, type: types[id] as number })).filter(merging);
    return {
      pre_tokenizer: null,
      normalizer: {
        type: "Sequence",
        normalizers: [...(prefix ? [{ type: "Prepend", prepend: "▁" }] : []), spacesToMarks],
      },
      decoder: {
        type: "Sequence",
        decoders: [
          replace({ String: "▁" }, " "),
          { type: "ByteFallback" },
          { type: "Fuse" },
          ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
        ],
      },
      model: {
        type: "BPE",
        vocab: ids,
        merges: mergesFromScores(new Map(pieces.map(({ token, id }) => [token, id])), scoresOf(vocabulary)),
        unk_token: special.unk === null ? null : (tokens[special.unk] ?? null),
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
      },
    };
  },
};

/** SentencePiece's unigram model, of T5 and others. */
const unigram: Scheme = {
  defaults: { eos: 1, unk: 2 },
  around: () => ({ bos: false, eos: true, sep: false }),
  parts(vocabulary) {
    const { path, tokens, types, special, settings } = vocabulary;
    if ((settings["tokenizer.ggml.precompiled_charsmap"] ?? []).length > 0)
      throw unsupported(path, "normalises text by a table (precompiled_charsmap), which cannot be run exactly");
    if (types.includes(TYPES.byte)) throw unsupported(path, "falls back to bytes in a unigram vocabulary");
    if (special.unk === null) throw inconsistent(path, "names no unknown token");
    const scores = scoresOf(vocabulary);
    const collapse = settings["tokenizer.ggml.remove_extra_whitespaces"] ?? false;
    const prefix = settings["tokenizer.ggml.add_space_prefix"] ?? true;
    const spaces = collapse ? [replace({ Regex: "\\A +| +\\z" }, ""), replace({ Regex: " {2,}" }, " ")] : [];
    const doubled = prefix && !collapse ? [{ type: "Prepend", prepend: "▁" }] : [];
    const scheme = prefix && collapse ? "always" : "never";
    return {
      normalizer: { type: "Sequence", normalizers: [...spaces, ...doubled, spacesToMarks] },
      pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false },
      decoder: { type: "Metaspace", replacement: "▁", prepend_scheme: prefix ? "always" : "never", split: false },
      model: {
        type: "Unigram",
        vocab: tokens.map((token, id) => [token, scores[id]]),
        unk_id: special.unk,
        byte_fallback: false,
      },
    };
  },
};

/** BERT's. A GGUF file marks the beginning of a word (▁), BERT its continuation (##). It is always the uncased kind, as in llama.cpp. */
const wordPiece: Scheme = {
  spell: (token, type) =>
    type === TYPES.control || type === TYPES.unknown || /^\[.*\]$/.test(token)
      ? token
      : token.startsWith("▁")
        ? token.slice(1)
        : `##${token}`,
  defaults: { bos: 101, sep: 102, unk: 100 },
  around: () => ({ bos: true, eos: false, sep: true }),
  parts({ path, ids, tokens, special }) {
    if (special.unk === null) throw inconsistent(path, "names no unknown token");
    return {
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        vocab: ids,
        unk_token: tokens[special.unk],
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
      },
    };
  },
};

function scoresOf({ path, tokens, settings }: GgufVocabulary): number[] {
  const scores = settings["tokenizer.ggml.scores"];
  if (scores?.length !== tokens.length) throw inconsistent(path, "has not one score for each token");
  return scores;
}

/** By `tokenizer.ggml.model`. */
export const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["gpt2", byteLevelBpe],
  ["llama", sentencePieceBpe],
  ["t5", unigram],
  ["bert", wordPiece],
]);
