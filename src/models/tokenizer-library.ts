import { Tokenizer as Library } from "@huggingface/tokenizers";
import { byteSymbols } from "./pieces.js";
import type { TokenizerJson, TokenizerPart } from "./tokenizer-json.js";

/** The pattern that ByteLevel cuts by, as tokenizer.json would write it. */
const BYTE_LEVEL_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Loads a tokenizer.json into @huggingface/tokenizers, in words by which it gives the ids of the Rust library:
 * - its Digits knows only 0–9, Rust's every numeric character of Unicode;
 * - the white space of its ByteLevel is JavaScript's (with U+FEFF, without U+0085), Rust's that of Unicode;
 * - a byte that the vocabulary lacks must go before merging, so that its neighbours may merge, as in Rust.
 * The tokenizer.json itself stays as it is.
 */
export function loadLibrary(json: TokenizerJson, config: Record<string, unknown>): Library {
  const steps = json.pre_tokenizer ? spelledOut(json.pre_tokenizer) : [];
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
  const pre = steps.length > 0 ? { type: "Sequence", pretokenizers: steps } : null;
  return new Library({ ...json, pre_tokenizer: pre }, config);
}

function spelledOut(step: TokenizerPart): TokenizerPart[] {
  const split = (Regex: string): TokenizerPart => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  if (step.type === "Sequence") return (step.pretokenizers as TokenizerPart[]).flatMap(spelledOut);
  if (step.type === "Digits") return [split(step.individual_digits ? "\\p{N}" : "\\p{N}+")];
  if (step.type === "ByteLevel" && step.use_regex !== false && !step.add_prefix_space) {
    return [split(BYTE_LEVEL_PATTERN), { ...step, use_regex: false }];
  }
  return [step];
}
