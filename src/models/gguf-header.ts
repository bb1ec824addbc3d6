/**
 * The header of a GGUF file (github.com/ggml-org/ggml, docs/gguf.md), versions 1–3, little-endian.
 *
 * Not by @huggingface/gguf, which loses text without a word (0.4.6): a byte order mark at the start of a string, which is a
 * token of every Llama 2 vocabulary, and the end of an array's last string where that crosses one of its 2 MB blocks.
 */
import type { MetadataValue } from "./checkpoint.js";

export interface GgufHeader {
  metadata: Map<string, MetadataValue>;
  tensors: { name: string; shape: number[]; type: number; offset: number }[];
  /** Bytes from the start of the file to the end of the header. */
  end: number;
}

/** The bytes given end before the header does. */
export class HeaderIncomplete extends Error {
  constructor(readonly needed: number) {
    super(`the header goes on after byte ${needed}`);
  }
}

/** The bytes are no header of a readable version, or contradict themselves. */
export class HeaderInvalid extends Error {}

/** ggml's own limit on dimensions; and one on arrays in arrays, which no model has. */
const MOST_DIMENSIONS = 4;
const DEEPEST_ARRAY = 3;

/** @throws HeaderIncomplete, HeaderInvalid. Memory stays in proportion to `bytes`, whatever counts they name. */
export function parseHeader(bytes: Buffer): GgufHeader {
  const cursor = new Cursor(bytes);
  if (cursor.take(4).toString("latin1") !== "GGUF") throw new HeaderInvalid('it does not begin with "GGUF"');
  const version = cursor.u32();
  if (version > 0xffff) throw new HeaderInvalid("it is big-endian");
  if (version < 1 || version > 3) throw new HeaderInvalid(`it is of version ${version}, and 1 to 3 can be read`);
  cursor.countBytes = version === 1 ? 4 : 8;
  // Least bytes of a tensor (empty name, no dimensions) and of an entry (empty key, one byte).
  const tensorCount = cursor.count(cursor.countBytes + 16);
  const entryCount = cursor.count(cursor.countBytes + 5);

  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.text();
    if (metadata.has(key)) throw new HeaderInvalid(`it has the key ${key} twice`);
    metadata.set(key, cursor.value(cursor.u32(), 0));
  }
  const tensors: GgufHeader["tensors"] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.text();
    const dimensions = cursor.u32();
    if (dimensions > MOST_DIMENSIONS) throw new HeaderInvalid(`tensor ${name} has ${dimensions} dimensions`);
    // GGUF has the innermost dimension first.
    const shape = Array.from({ length: dimensions }, () => cursor.size()).reverse();
    tensors.push({ name, shape, type: cursor.u32(), offset: cursor.u64() });
  }
  return { metadata, tensors, end: cursor.at };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Cursor {
  at = 0;
  /** Sizes and counts have 4 bytes in version 1, then 8. */
  countBytes = 8;

  constructor(readonly bytes: Buffer) {}

  take(length: number): Buffer {
    this.#require(length);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  u64(): number {
    return Number(this.take(8).readBigUInt64LE());
  }

  size(): number {
    return this.countBytes === 4 ? this.u32() : this.u64();
  }

  /** A number of items of at least `bytes` each: nothing is made for more of them than can be there. */
  count(bytes: number): number {
    const count = this.size();
    this.#require(count * bytes);
    return count;
  }

  text(): string {
    const raw = this.take(this.size());
    try {
      return utf8.decode(raw);
    } catch {
      throw new HeaderInvalid(`it has text that is not UTF-8 before byte ${this.at}`);
    }
  }

  value(type: number, depth: number): MetadataValue {
    const read = SCALARS[type];
    if (read) return read(this);
    if (type !== 9 || depth >= DEEPEST_ARRAY) throw new HeaderInvalid(`it has metadata of unknown type ${type}`);
    const itemType = this.u32();
    const count = this.count(1);
    return Array.from({ length: count }, () => this.value(itemType, depth + 1));
  }

  #require(length: number): void {
    if (length > this.bytes.length - this.at) throw new HeaderIncomplete(this.at + length);
  }
}

/** By GGUF's number; 9 is an array. 64-bit integers become numbers: none that matters is above 2⁵³. */
const SCALARS: Record<number, (cursor: Cursor) => MetadataValue> = {
  0: (cursor) => cursor.take(1).readUInt8(),
  1: (cursor) => cursor.take(1).readInt8(),
  2: (cursor) => cursor.take(2).readUInt16LE(),
  3: (cursor) => cursor.take(2).readInt16LE(),
  4: (cursor) => cursor.u32(),
  5: (cursor) => cursor.take(4).readInt32LE(),
  6: (cursor) => cursor.take(4).readFloatLE(),
  7: (cursor) => cursor.take(1).readUInt8() !== 0,
  8: (cursor) => cursor.text(),
  10: (cursor) => cursor.u64(),
  11: (cursor) => Number(cursor.take(8).readBigInt64LE()),
  12: (cursor) => cursor.take(8).readDoubleLE(),
};
