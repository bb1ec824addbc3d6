import type { Tokenizer as Library } from "@huggingface/tokenizers";
import { byteLevel, type Spelling, sentencePiece } from "./pieces.js";
import type { TokenizerJson } from "./tokenizer-json.js";
import { partsOf } from "./tokenizer-library.js";

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
  const theirs = library.decoder;
  if (!find("WordPiece") || !theirs) return undefined;
  const spell: Spelling = (tokens) => (theirs.decode_chain([...tokens]) as string[]).map((text) => Buffer.from(text));
  return { spell, leadingSpaces: 0 };
}

const each =
  (spell: (token: string) => Uint8Array): Spelling =>
  (tokens) =>
    tokens.map(spell);
