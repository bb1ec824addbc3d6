/** Readable text of tokens that are made of bytes, where a character may be spread over several tokens. */

/** GPT-2's symbol for each of the 256 bytes: printable ones stand for themselves, the others for U+0100 and on. */
export function byteSymbols(): string[] {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** The bytes that each of a row of tokens stands for; `added` tells which are no part of the model's own vocabulary. */
export type Spelling = (tokens: readonly string[], added: readonly boolean[]) => Uint8Array[];

/** GPT-2's: a symbol is a byte. */
export function byteLevel(): Spelling {
  const bytes = new Map(byteSymbols().map((symbol, byte) => [symbol, byte]));
  return (tokens, added) =>
    tokens.map((token, i) => {
      const known = added[i] ? [undefined] : Array.from(token, (symbol) => bytes.get(symbol));
      // As in Rust: a token with any other character stands for itself.
      return known.includes(undefined) ? Buffer.from(token) : Uint8Array.from(known as number[]);
    });
}

/** SentencePiece's: "▁" is a space, "<0x0A>" a byte. */
export function sentencePiece(token: string): Uint8Array {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1];
  return byte === undefined ? Buffer.from(token.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte, 16));
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Text of each of a row of byte strings that are UTF-8 together. A character that is spread over several belongs to the
 * last of them, the earlier ones having the empty string; U+FFFD stands only where the row really does not hold a whole
 * character. The texts one after another are the row's text.
 */
export function readable(parts: readonly Uint8Array[]): string[] {
  const bytes = Buffer.concat(parts);
  let partEnd = 0;
  let next = 0; // Where the first character begins that has no owner yet.
  return parts.map((part) => {
    partEnd += part.length;
    const start = next;
    for (let end = characterEnd(bytes, next); end !== undefined && end <= partEnd; end = characterEnd(bytes, next)) {
      next = end;
    }
    return decoder.decode(bytes.subarray(start, next));
  });
}

/** End of the character at `start`, or of the longest beginning of one (Unicode 16, section 3.9, "maximal subpart"). */
function characterEnd(bytes: Uint8Array, start: number): number | undefined {
  if (start >= bytes.length) return undefined;
  const lead = bytes[start] as number;
  const length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  for (let i = 1; i < length; i++) {
    const byte = bytes[start + i];
    const low = i > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = i > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (byte === undefined || byte < low || byte > high) return start + i;
  }
  return start + length;
}

/** The text with U+FFFD for each surrogate that stands alone: what its bytes hold. Indices stay as they are. */
export function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text;
}
