import { describe, expect, it } from "vitest";
import { bytes, number, wholeNumber } from "../../src/cli/values.js";

it.each([
  ["2GiB", 2 ** 31],
  ["1.5 GB", 1.5e9],
  ["512m", 512 * 2 ** 20],
  ["64kib", 65536],
  ["1000", 1000],
  ["7B", 7],
  ["1TiB", 2 ** 40],
])("bytes reads %s", (text, value) => {
  expect(bytes(text)).toBe(value);
});

describe("refuses what is no", () => {
  it.each(["", "GiB", "-1GiB", "0", "2XB", "1e9", "two", "1.2.3M"])("size: %j", (text) => {
    expect(() => bytes(text)).toThrow("Give a size");
  });
  it.each(["", " ", "1.5", "-1", "NaN", "1e99", "x"])("whole number: %j", (text) => {
    expect(() => wholeNumber(text)).toThrow();
  });
  it.each(["", "Infinity", "x"])("number: %j", (text) => {
    expect(() => number(text)).toThrow();
  });
});

it("reads numbers", () => {
  expect(wholeNumber("12")).toBe(12);
  expect(number("-0.5")).toBe(-0.5);
});
