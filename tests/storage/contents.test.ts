import { describe, expect, it } from "vitest";
import { parsePython } from "../../src/storage/contents.js";

describe("parsePython", () => {
  it("takes Python's numbers that JSON lacks, and leaves texts alone", () => {
    expect(parsePython('{"a NaN": [NaN, -Infinity, Infinity, 1], "b": "NaN \\" -Infinity"}')).toEqual({
      "a NaN": ["NaN", "-Infinity", "Infinity", 1],
      b: 'NaN " -Infinity',
    });
    for (const text of ["[NaN", "NaNs", "[-NaN]", "[+Infinity]"]) expect(() => parsePython(text)).toThrow();
    const long = JSON.stringify("x".repeat(20_000_000));
    expect(parsePython(`[NaN, ${long}]`)).toHaveLength(2);
  });
});
