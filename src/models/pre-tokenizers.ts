import type { TokenizerPart } from "./tokenizer-json.js";

/** How a byte-level vocabulary's text is cut before merging, as tokenizer.json says it. */
export interface PreTokenizer {
  /** The text is composed (NFC) first. */
  composed: boolean;
  steps: TokenizerPart[];
  /** A piece that is a token is taken as it is, whatever the merges make of it. */
  wholeWords: boolean;
  /** Models with it put BOS first unless they say otherwise. */
  addBos: boolean;
}

/** A step that makes a piece of its own of each match. */
export const isolated = (Regex: string): TokenizerPart => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});

/** Of GPT-2 (Radford et al. 2019), and of ByteLevel wherever it cuts by itself. */
export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/** Of GPT-4 and what came after it: contractions in any case, digits by threes or alone, line ends apart. */
const gpt4 = (digits: string, letters = "\\p{L}", others = "\\p{L}\\p{N}") =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[${letters}]+|${digits}| ?[^\\s${others}]+[\\r\\n]*|${SPACES}`;
const LLAMA3_PATTERN = gpt4("\\p{N}{1,3}");
const QWEN2_PATTERN = gpt4("\\p{N}");

const UPPER = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const LOWER = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";
/** Of GPT-4o and Mistral's Tekken: words begin anew at a capital letter. */
const cased = (digits: string, ending: string) =>
  `[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]*[${LOWER}]+${ending}|[^\\r\\n\\p{L}\\p{N}]?[${UPPER}]+[${LOWER}]*${ending}|${digits}` +
  `| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`;

const BLOOM_PATTERN = " ?[^(\\s|.,!?…。，、।۔،)]+";
/** ASCII's symbols that are no punctuation to Unicode go with it; the older list lacks the grave accent. */
const FALCON_PUNCTUATION = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
const DEFAULT_PUNCTUATION = "[\\p{P}\\$\\+<=>\\^~\\|]+";
const THREE_DIGITS = "[0-9][0-9][0-9]";

/** The letters of alphabets with two cases, as DeepSeek LLM lists them. */
const DEEPSEEK_LETTERS =
  "A-Za-z\\u00b5\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u01ba\\u01bc-\\u01bf\\u01c4-\\u0293\\u0295-\\u02af" +
  "\\u0370-\\u0373\\u0376\\u0377\\u037b-\\u037d\\u037f\\u0386\\u0388-\\u038a\\u038c\\u038e-\\u03a1\\u03a3-\\u03f5" +
  "\\u03f7-\\u0481\\u048a-\\u052f\\u0531-\\u0556\\u10a0-\\u10c5\\u13a0-\\u13f5\\u13f8-\\u13fd\\u1c90-\\u1cba" +
  "\\u1cbd-\\u1cbf\\u1d00-\\u1d2b\\u1d6b-\\u1d77\\u1d79-\\u1d9a\\u1e00-\\u1f15\\u1f18-\\u1f1d\\u1f20-\\u1f45" +
  "\\u1f48-\\u1f4d\\u1f50-\\u1f57\\u1f59\\u1f5b\\u1f5d\\u1f5f-\\u1f7d\\u1f80-\\u1fb4\\u1fb6-\\u1fbc\\u1fbe" +
  "\\u1fc2-\\u1fc4\\u1fc6-\\u1fcc\\u1fd0-\\u1fd3\\u1fd6-\\u1fdb\\u1fe0-\\u1fec\\u1ff2-\\u1ff4\\u1ff6-\\u1ffc\\u2102" +
  "\\u2107\\u210a-\\u2113\\u2115\\u2119-\\u211d\\u2124\\u2126\\u2128\\u212a-\\u212d\\u212f-\\u2134\\u2139" +
  "\\u213c-\\u213f\\u2145-\\u2149\\u214e\\u2183\\u2184\\u2c00-\\u2c7b\\u2c7e-\\u2ce4\\u2ceb-\\u2cee\\u2cf2\\u2cf3" +
  "\\ua640-\\ua66d\\ua680-\\ua69b\\ua722-\\ua76f\\ua771-\\ua787\\ua78b-\\ua78e\\uab70-\\uabbf\\ufb00-\\ufb06" +
  "\\ufb13-\\ufb17\\uff21-\\uff3a\\uff41-\\uff5a\\x{10400}-\\x{1044f}\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}" +
  "\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}";
const DEEPSEEK_CJK = "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+";
const DEEPSEEK3_WORDS =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*" +
  `|${SPACES}`;

const bytes: TokenizerPart = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

const cut = (patterns: string[], more: Partial<PreTokenizer> = {}): PreTokenizer => ({
  composed: false,
  steps: [...patterns.map(isolated), bytes],
  wholeWords: false,
  addBos: false,
  ...more,
});

const composed = { composed: true };
const llama3 = cut([LLAMA3_PATTERN], { wholeWords: true, addBos: true });
const gpt2 = cut([GPT2_PATTERN]);
const digitsApart = cut(["\\p{N}", GPT2_PATTERN]);
const bloom = cut([BLOOM_PATTERN]);
const gpt4o = cut([cased("\\p{N}{1,3}", `${CONTRACTIONS}?`)]);

/**
 * By `tokenizer.ggml.pre`, which llama.cpp's converter finds out by what a tokenizer does; the patterns are those of the
 * models' own tokenizer.json. "olmo" is GPT-NeoX's and Pythia's too, "llama-bpe" all of Llama 3's.
 */
export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ["default", cut([DEFAULT_PUNCTUATION, GPT2_PATTERN, "\\p{N}+", THREE_DIGITS])],
  ["gpt-2", gpt2],
  ["phi-2", gpt2],
  ["olmo", { ...gpt2, ...composed }],
  ["mpt", { ...gpt2, ...composed }],
  ["smollm", digitsApart],
  ["starcoder", digitsApart],
  ["refact", digitsApart],
  ["command-r", { ...digitsApart, ...composed }],
  ["llama-bpe", llama3],
  ["llama3", llama3],
  ["llama-v3", llama3],
  ["falcon3", llama3],
  ["pixtral", llama3],
  ["dbrx", cut([LLAMA3_PATTERN])],
  ["smaug-bpe", cut([LLAMA3_PATTERN])],
  ["chatglm-bpe", cut([LLAMA3_PATTERN])],
  ["glm4", cut([LLAMA3_PATTERN])],
  ["qwen2", cut([QWEN2_PATTERN], composed)],
  ["qwen35", cut([gpt4("\\p{N}", "\\p{L}\\p{M}", "\\p{L}\\p{M}\\p{N}")], composed)],
  ["stablelm2", cut([QWEN2_PATTERN], composed)],
  ["deepseek-r1-qwen", cut([QWEN2_PATTERN])],
  ["tekken", cut([cased("\\p{N}", "")], { wholeWords: true, addBos: true })],
  ["gpt-4o", gpt4o],
  ["llama4", gpt4o],
  ["falcon", cut([FALCON_PUNCTUATION, GPT2_PATTERN, THREE_DIGITS])],
  [
    "deepseek-llm",
    cut([
      "[\\r\\n]",
      `\\s?[${DEEPSEEK_LETTERS}]+`,
      "\\s?[!-/:-~\\uff01-\\uff0f\\uff1a-\\uff5e\\u2018-\\u201f\\u3000-\\u3002]+",
      "\\s+$",
      DEEPSEEK_CJK,
      "\\p{N}",
    ]),
  ],
  ["deepseek-coder", cut(["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"])],
  ["deepseek-v3", cut(["\\p{N}{1,3}", "[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+", DEEPSEEK3_WORDS])],
  ["bloom", bloom],
  ["poro-chat", bloom],
  ["gpt3-finnish", bloom],
  ["viking", cut([BLOOM_PATTERN, "\\p{N}"])],
]);
