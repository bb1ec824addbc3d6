import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteSymbols, readable } from "../../src/models/pieces.js";

const decode = (bytes: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
const parts = (...texts: (string | number[])[]) => texts.map((text) => Uint8Array.from(Buffer.from(text as string)));
/** Bytes that are likely to begin, go on with or break characters. */
const byte = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0x61, 0x80, 0xbf, 0xc3, 0xe2, 0xed, 0xa0, 0xef, 0xf0, 0x9f, 0xf4, 0x90),
);

describe("readable", () => {
  test("is the text of all bytes, however they are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.array(byte, { maxLength: 5 }), { maxLength: 12 }), (rows) => {
        const pieces = rows.map((row) => Uint8Array.from(row));
        expect(readable(pieces).join("")).toBe(decode(Buffer.concat(pieces)));
      }),
      { numRuns: 5000 },
    );
  });

  test("has no U+FFFD for text, however its bytes are cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), fc.array(fc.nat(80)), (text, cuts) => {
        const bytes = Buffer.from(text);
        const at = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(readable(pieces).join("")).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  test("gives a character to the part that completes it", () => {
    expect(readable(parts([0xf0, 0x9f], [0x98], [0x80, 0x61]))).toEqual(["", "", "😀a"]);
  });

  test("shows a broken character where it breaks off", () => {
    expect(readable(parts([0xf0, 0x9f], "a"))).toEqual(["\ufffd", "a"]);
    expect(readable(parts("a", [0xe2, 0x98]))).toEqual(["a", "\ufffd"]);
    expect(readable(parts([0xe2], [0x98]))).toEqual(["", "\ufffd"]);
  });
});

test("byteSymbols has one printable character for each byte", () => {
  const symbols = byteSymbols();
  expect(new Set(symbols).size).toBe(256);
  expect(symbols[32]).toBe("Ġ");
  expect(symbols[10]).toBe("Ċ");
  expect(symbols[65]).toBe("A");
});
