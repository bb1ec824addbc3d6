import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { TokenlenseError } from "../errors.js";
import { type ChatMessage, type ChatOptions, renderChat } from "./chat.js";
import type { Contract } from "./contract.js";
import { byteSymbols, readable } from "./pieces.js";
import type { TokenizerJson, TokenizerPart } from "./tokenizer-json.js";
import { loadLibrary } from "./tokenizer-library.js";

/** One token of a text. */
export interface TokenPiece {
  id: number;
  /** As the vocabulary has it: "Ġthe". */
  token: string;
  /** As a reader has it: " the". Empty where the token is only the beginning of a character; see {@link Tokenizer.tokens}. */
  text: string;
}

/** What of a contract a tokenizer goes by. */
export type TokenizerContract = Pick<Contract, "tokens" | "addBos" | "chatTemplate" | "vocabulary">;

/** A model's tokenizer: @huggingface/tokenizers over the model's own files, with the ids of the Rust library. */
export class Tokenizer {
  readonly #library: Library;
  readonly #contract: TokenizerContract;
  readonly #bytesOf: (token: string) => Uint8Array;
  /** Spaces that the tokenizer puts before a text, and decoding takes away. */
  readonly #leadingSpaces: number;
  readonly #added: Set<number>;
  readonly #specials: Int32Array;

  /**
   * @param json content of tokenizer.json
   * @param config content of tokenizer_config.json
   * @throws ERR_TOKENLENSE_FORMAT where the files describe no tokenizer that this version can run.
   */
  constructor(json: TokenizerJson, config: Record<string, unknown>, contract: TokenizerContract) {
    try {
      this.#library = loadLibrary(json, config);
    } catch (cause) {
      throw unusable((cause as Error).message, cause);
    }
    const decoders = flatten(json.decoder);
    const types = decoders.map(({ type }) => type);
    if (types.includes("ByteLevel")) this.#bytesOf = byteLevelBytes();
    else if (types.includes("ByteFallback")) this.#bytesOf = sentencePieceBytes;
    else throw unusable(`its decoder is ${types.join(", ") || "missing"}, neither ByteLevel nor ByteFallback`);
    this.#leadingSpaces = (decoders.find(({ type }) => type === "Strip")?.start as number | undefined) ?? 0;
    this.#added = new Set(json.added_tokens.map(({ id }) => id));
    this.#specials = Int32Array.from(json.added_tokens.filter(({ special }) => special).map(({ id }) => id));
    this.#contract = contract;
  }

  /** Special tokens by id; null where the model has none. Generation ends at any of `eos`. */
  get special(): { bos: number | null; eos: readonly number[]; pad: number | null; unk: number | null } {
    const { bos, eos, pad, unk } = this.#contract.tokens;
    return { bos: bos ?? null, eos, pad: pad ?? null, unk: unk ?? null };
  }

  /** Every token that stands for itself and not for a piece of text: those above and the model's own marks. */
  get specialIds(): Int32Array {
    return this.#specials;
  }

  /**
   * Token ids of a text. Special tokens in the text ("<|im_start|>") become their one id. Where the model's own tokenizer
   * begins every text with BOS, so does this, but not twice when the text itself does.
   *
   * Like the reference, it leaves out bytes for which the vocabulary has no token: SmolLM2's lacks six control characters
   * (U+0004, 06, 13, 14, 16, 1D) and what is above U+3FFFF. Lone surrogates count as U+FFFD.
   */
  encode(text: string): Int32Array {
    const { ids } = this.#library.encode(/\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text);
    const { bos } = this.special;
    const twice = this.#contract.addBos && bos !== null && ids[0] === bos && ids[1] === bos;
    return Int32Array.from(twice ? ids.slice(1) : ids);
  }

  /** Text of token ids, special tokens included: `decode(encode(x))` is `x` where the vocabulary has all its bytes and no BOS is added. */
  decode(ids: ArrayLike<number>): string {
    return this.tokens(ids)
      .map(({ text }) => text)
      .join("");
  }

  /**
   * Tokens with their readable text. A character whose bytes are spread over several tokens is the text of the last of
   * them, and the earlier ones have the empty string, so that what was shown never changes when more tokens come; U+FFFD
   * stands only where `ids` really does not hold a whole character. The texts one after another are `decode(ids)`.
   * @throws ERR_TOKENLENSE_INPUT for an id outside the vocabulary.
   */
  tokens(ids: ArrayLike<number>): TokenPiece[] {
    const tokens = Array.from(ids, (id) => this.#name(id));
    const texts = readable(
      tokens.map((token, i) => (this.#added.has(ids[i] as number) ? Buffer.from(token) : this.#bytesOf(token))),
    );
    if (texts[0] !== undefined) texts[0] = texts[0].replace(new RegExp(`^ {0,${this.#leadingSpaces}}`), "");
    return tokens.map((token, i) => ({ id: ids[i] as number, token, text: texts[i] as string }));
  }

  /** A conversation as text, by the model's chat template; its errors are those of {@link renderChat}. */
  applyChat(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    const { bos, eos } = this.special;
    return renderChat(this.#contract.chatTemplate, messages, options, {
      ...(bos === null ? {} : { bos_token: this.#name(bos) }),
      ...(eos[0] === undefined ? {} : { eos_token: this.#name(eos[0]) }),
    });
  }

  #name(id: number): string {
    if (!Number.isInteger(id) || id < 0 || id >= this.#contract.vocabulary) {
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        `${id} is no token id: the vocabulary has ${this.#contract.vocabulary} tokens.`,
      );
    }
    // Embeddings may be padded beyond the last token.
    return this.#library.id_to_token(id) ?? "";
  }
}

const flatten = (part: TokenizerPart | null): TokenizerPart[] => {
  if (!part) return [];
  return part.type === "Sequence" ? (part.decoders as TokenizerPart[]).flatMap(flatten) : [part];
};

function byteLevelBytes(): (token: string) => Uint8Array {
  const bytes = new Map(byteSymbols().map((symbol, byte) => [symbol, byte]));
  return (token) => {
    const known = Array.from(token, (symbol) => bytes.get(symbol));
    // As in Rust: a token with any other character stands for itself.
    return known.includes(undefined) ? Buffer.from(token) : Uint8Array.from(known as number[]);
  };
}

function sentencePieceBytes(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return byte === undefined ? Buffer.from(token.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
}

function unusable(what: string, cause?: unknown): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", `The model's tokenizer cannot be used: ${what}.`, { cause });
}
