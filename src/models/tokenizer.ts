import type { Tokenizer as Library } from "@huggingface/tokenizers";
import type { Span } from "../aggregation/segments.js";
import { TokenlenseError } from "../errors.js";
import { type ChatMessage, type ChatOptions, renderChat } from "./chat.js";
import type { Contract } from "./contract.js";
import { type LocatedPiece, locate } from "./offsets.js";
import { readable, wellFormed } from "./pieces.js";
import { type Decoder, decoderOf } from "./spelling.js";
import type { TokenizerJson } from "./tokenizer-json.js";
import { loadLibrary, type Prefix, prefixOf, withoutPrefix } from "./tokenizer-library.js";

/** One token of a text. */
export interface TokenPiece {
  id: number;
  /** As the vocabulary has it: "Ġthe". */
  token: string;
  /** As a reader has it: " the". Empty where the token is only the beginning of a character; see {@link Tokenizer.tokens}. */
  text: string;
}

export interface EncodeOptions {
  /** The text is a beginning: BOS comes first, and a space, where the model's own tokenizer puts them. Default true. */
  begins?: boolean;
  /** The text is whole: EOS comes last, where the model's own tokenizer puts it. Default false, as texts here go on. */
  ends?: boolean;
}

/** What of a contract a tokenizer goes by. */
export type TokenizerContract = Pick<Contract, "tokens" | "addBos" | "chatTemplate" | "vocabulary">;

/** A model's tokenizer: @huggingface/tokenizers over the model's own files, with the ids of the Rust library. */
export class Tokenizer {
  readonly #library: Library;
  readonly #contract: TokenizerContract;
  readonly #decoder: Decoder;
  readonly #prefix: Prefix;
  readonly #added: Set<number>;
  readonly #specials: Int32Array;
  /** Tokens that the tokenizer puts around every text. */
  readonly #around: { before: number[]; after: number[] };
  /** What stands for text that the vocabulary lacks; byte-level vocabularies have no such token, whatever they call it. */
  readonly #unknown: number | undefined;
  /** Loads the library anew, for texts that go on after another; most vocabularies need none. */
  readonly #loadContinuing: () => Library;
  #continuing: Library | undefined;

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
    this.#prefix = prefixOf(json);
    this.#loadContinuing = () => (this.#prefix === "none" ? this.#library : loadLibrary(withoutPrefix(json), config));
    const decoder = decoderOf(json, this.#library);
    if (!decoder) throw unusable(`its decoder is ${json.decoder?.type ?? "missing"}, none of those that are known`);
    this.#decoder = decoder;
    this.#added = new Set(json.added_tokens.map(({ id }) => id));
    this.#specials = Int32Array.from(json.added_tokens.filter(({ special }) => special).map(({ id }) => id));
    this.#around = around(this.#library);
    const { unk_token, unk_id } = json.model as { unk_token?: string | null; unk_id?: number | null };
    this.#unknown = unk_id ?? (unk_token ? this.#library.token_to_id(unk_token) : undefined);
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
   * begins every text with BOS, so does this, but not twice when the text itself does, as chat templates do.
   *
   * Like the reference, it leaves out bytes for which the vocabulary has no token: SmolLM2's lacks six control characters
   * (U+0004, 06, 13, 14, 16, 1D) and what is above U+3FFFF. Lone surrogates count as U+FFFD.
   */
  encode(text: string, { begins = true, ends = false }: EncodeOptions = {}): Int32Array {
    if (!begins) this.#continuing ??= this.#loadContinuing();
    const library = (!begins && this.#continuing) || this.#library;
    const { ids } = library.encode(wellFormed(text), { add_special_tokens: false });
    const { before, after } = this.#around;
    const begun = !begins || (before.length > 0 && before.every((id, i) => ids[i] === id));
    const ended = !ends || (after.length > 0 && after.every((id, i) => ids.at(i - after.length) === id));
    return Int32Array.from([...(begun ? [] : before), ...ids, ...(ended ? [] : after)]);
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
    const { spell, leadingSpaces } = this.#decoder;
    const texts = readable(
      spell(
        tokens,
        Array.from(ids, (id) => this.#added.has(id)),
      ),
    );
    if (texts[0] !== undefined) texts[0] = texts[0].replace(new RegExp(`^ {0,${leadingSpaces}}`), "");
    return tokens.map((token, i) => ({ id: ids[i] as number, token, text: texts[i] as string }));
  }

  /**
   * Where the text of each token lies in `text`, as [start, end) in UTF-16 code units, the units of JavaScript's strings:
   * `text.slice(start, end)`. `ids` are those of `text`, by whichever way they came; see {@link locate}.
   */
  locate(ids: ArrayLike<number>, text: string): Span[] {
    const kind = (id: number) => (id === this.#unknown ? "unknown" : this.#added.has(id) ? "mark" : "text");
    const pieces = this.tokens(ids).map((piece): LocatedPiece => ({ text: piece.text, kind: kind(piece.id) }));
    return locate(pieces, text, this.#prefix);
  }

  /** A conversation as text, by the model's chat template; its errors are those of {@link renderChat}. */
  applyChat(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    const { bos, eos, pad, unk } = this.special;
    const named = { bos_token: bos, eos_token: eos[0] ?? null, pad_token: pad, unk_token: unk };
    const specials = Object.entries(named).flatMap(([name, id]) => (id === null ? [] : [[name, this.#name(id)]]));
    return renderChat(this.#contract.chatTemplate, messages, options, Object.fromEntries(specials));
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

/** What the post-processor puts before and after a text: seen on one, as there are many kinds of post-processors. */
function around(library: Library): { before: number[]; after: number[] } {
  const bare: number[] = library.encode("a", { add_special_tokens: false }).ids;
  const whole: number[] = library.encode("a").ids;
  const more = whole.length - bare.length;
  const start = Array.from({ length: more + 1 }, (_, at) => at).find((at) =>
    bare.every((id, i) => whole[at + i] === id),
  );
  return { before: whole.slice(0, start ?? 0), after: whole.slice((start ?? 0) + bare.length) };
}

function unusable(what: string, cause?: unknown): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", `The model's tokenizer cannot be used: ${what}.`, { cause });
}
