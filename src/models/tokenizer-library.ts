import { Tokenizer as Library } from "@huggingface/tokenizers";
import { byteSymbols } from "./pieces.js";
import { GPT2_PATTERN, isolated } from "./pre-tokenizers.js";
import type { TokenizerJson, TokenizerPart } from "./tokenizer-json.js";

/**
 * Loads a tokenizer.json into @huggingface/tokenizers, in words by which it gives the ids of the Rust library:
 * - its Digits knows only 0–9, Rust's every numeric character of Unicode;
 * - the white space of its ByteLevel is JavaScript's (with U+FEFF, without U+0085), Rust's that of Unicode;
 * - a byte that the vocabulary lacks must go before merging, so that its neighbours may merge, as in Rust;
 * - its BertNormalizer sees no ideographs above U+FFFF, and lower-cases a final Σ as Greek does, Rust's as any other.
 * The tokenizer.json itself stays as it is.
 */
export function loadLibrary(json: TokenizerJson, config: Record<string, unknown>): Library {
  const steps = partsOf(json.pre_tokenizer).flatMap(spelledOut);
  const byteLevel = steps.some((step) => step.type === "ByteLevel");
  const model = json.model as {
    type?: string;
    vocab?: Record<string, number>;
    unk_token?: string | null;
    byte_fallback?: boolean;
  };
  if (byteLevel && model.vocab && !model.unk_token && !model.byte_fallback) {
    const { vocab } = model;
    const missing = byteSymbols().filter((symbol) => !Object.hasOwn(vocab, symbol));
    if (missing.length > 0) {
      const codes = missing.map((symbol) => `\\u${symbol.charCodeAt(0).toString(16).padStart(4, "0")}`);
      steps.push({ type: "Replace", pattern: { Regex: `[${codes.join("")}]` }, content: "" });
    }
  }
  const normalizers = partsOf(json.normalizer).flatMap((part) =>
    part.type === "BertNormalizer" ? bertNormalizer(part) : [part],
  );
  return new Library(
    {
      ...json,
      normalizer: normalizers.length > 0 ? { type: "Sequence", normalizers } : null,
      pre_tokenizer: steps.length > 0 ? { type: "Sequence", pretokenizers: steps } : null,
    },
    config,
  );
}

/** The parts that a part of tokenizer.json is made of, whichever list of it they lie in; itself where it is no sequence. */
export function partsOf(part: TokenizerPart | null): TokenizerPart[] {
  if (!part) return [];
  if (part.type !== "Sequence") return [part];
  const listed = part.normalizers ?? part.pretokenizers ?? part.decoders ?? [];
  return (listed as TokenizerPart[]).flatMap(partsOf);
}

/**
 * What a tokenizer does with a space before a text: "always" puts one there, "missing" only where there is none, "none" leaves
 * the text as it is.
 */
export type Prefix = "always" | "missing" | "none";

export function prefixOf({ normalizer, pre_tokenizer }: TokenizerJson): Prefix {
  if (partsOf(normalizer).some(({ type }) => type === "Prepend")) return "always";
  return partsOf(pre_tokenizer).some(addsPrefix) ? "missing" : "none";
}

/** The same tokenizer for a text that goes on after another. */
export function withoutPrefix(json: TokenizerJson): TokenizerJson {
  const pretokenizers = partsOf(json.pre_tokenizer).map((part) =>
    addsPrefix(part) ? { ...part, add_prefix_space: false, prepend_scheme: "never" } : part,
  );
  return {
    ...json,
    normalizer: {
      type: "Sequence",
      normalizers: partsOf(json.normalizer).filter(({ type }) => type !== "Prepend"),
    },
    pre_tokenizer: { type: "Sequence", pretokenizers },
  };
}

const addsPrefix = ({ type, prepend_scheme, add_prefix_space }: TokenizerPart): boolean =>
  type === "Metaspace" ? prepend_scheme !== "never" : type === "ByteLevel" && add_prefix_space === true;

function spelledOut(step: TokenizerPart): TokenizerPart[] {
  if (step.type === "Digits") return [isolated(step.individual_digits ? "\\p{N}" : "\\p{N}+")];
  if (step.type === "ByteLevel" && step.use_regex !== false && !step.add_prefix_space) {
    return [isolated(GPT2_PATTERN), { ...step, use_regex: false }];
  }
  return [step];
}

const IDEOGRAPHS =
  "[\\u4e00-\\u9fff\\u3400-\\u4dbf\\uf900-\\ufaff\\x{20000}-\\x{2a6df}\\x{2a700}-\\x{2b73f}\\x{2b740}-\\x{2b81f}\\x{2b920}-\\x{2ceaf}\\x{2f800}-\\x{2fa1f}]";

function bertNormalizer({
  clean_text,
  handle_chinese_chars,
  strip_accents,
  lowercase,
}: TokenizerPart): TokenizerPart[] {
  const replace = (Regex: string, content: string): TokenizerPart => ({ type: "Replace", pattern: { Regex }, content });
  const steps: TokenizerPart[] = [];
  if (clean_text)
    steps.push(replace("(?![\\t\\n\\r])[\\x00\\ufffd\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}]", ""), replace("\\s", " "));
  if (handle_chinese_chars) steps.push(replace(IDEOGRAPHS, " $& "));
  if (strip_accents ?? lowercase) steps.push({ type: "NFD" }, replace("\\p{Mn}", ""));
  if (lowercase) steps.push(replace("Σ", "σ"), { type: "Lowercase" });
  return steps;
}
