import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { byteSymbols } from "./pieces.js";
import type { TokenizerJson } from "./tokenizer-json.js";
import { partsOf } from "./tokenizer-library.js";

/** The bytes that each of a row of tokens stands for; `added` tells which are no part of the model's own vocabulary. */
export type Spelling = (tokens: readonly string[], added: readonly boolean[]) => Uint8Array[];

export interface Decoder {
  spell: Spelling;
  /** How many spaces decoding takes away from the beginning of a text. */
  leadingSpaces: number;
}

/** What the decoder of a tokenizer.json does; undefined for one that is none of byte-level, SentencePiece and WordPiece. */
export function decoderOf({ decoder }: TokenizerJson, library: Library): Decoder | undefined {
  const parts = partsOf(decoder);
  const find = (type: string) => parts.find((part) => part.type === type);
  const strip = find("Strip")?.start as number | undefined;
  const leadingSpaces = strip ?? 0;
  if (find("ByteLevel")) return { spell: byteLevel(), leadingSpaces };
  if (find("ByteFallback")) return { spell: each(sentencePiece), leadingSpaces };
  const metaspace = find("Metaspace");
  if (metaspace) return { spell: each(sentencePiece), leadingSpaces: metaspace.prepend_scheme === "never" ? 0 : 1 };
  if (!find("WordPiece")) return undefined;
  const spell: Spelling = (tokens) =>
    (library.decoder.decode_chain([...tokens]) as string[]).map((text) => Buffer.from(text));
  return { spell, leadingSpaces: 0 };
}

const each =
  (spell: (token: string) => Uint8Array): Spelling =>
  (tokens) =>
    tokens.map(spell);

function byteLevel(): Spelling {
  const bytes = new Map(byteSymbols().map((symbol, byte) => [symbol, byte]));
  return (tokens, added) =>
    tokens.map((token, i) => {
      const known = added[i] ? [undefined] : Array.from(token, (symbol) => bytes.get(symbol));
      // As in Rust: a token with any other character stands for itself.
      return known.includes(undefined) ? Buffer.from(token) : Uint8Array.from(known as number[]);
    });
}

function sentencePiece(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return byte === undefined ? Buffer.from(token.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
}
