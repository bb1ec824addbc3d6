import { describe, expect, it } from "vitest";
import { colourOf, hex, type Rgb, type Theme, textColourOn } from "../../src/viz/scale.js";

const channel = (value: number) => (value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ([red, green, blue]: Rgb) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
const contrast = (a: Rgb, b: Rgb) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
};
const shares = Array.from({ length: 201 }, (_, i) => i / 200);

const scales = (["dark", "light"] as const).flatMap((theme) => [false, true].map((signed) => [theme, signed] as const));
describe.each<readonly [Theme, boolean]>(scales)("colours on %s ground, signed: %s", (theme, signed) => {
  it("are legible at every score (WCAG AA)", () => {
    for (const share of shares)
      for (const score of signed ? [share, -share] : [share]) {
        const background = colourOf(score, signed, theme);
        expect(contrast(background, textColourOn(background))).toBeGreaterThanOrEqual(4.5);
      }
  });

  it("leave the ground's lightness with the size of the score, so that they can be read without seeing hue", () => {
    for (const sign of signed ? [1, -1] : [1]) {
      const light = shares.map(
        (share) => luminance(colourOf(sign * share, signed, theme)) * (theme === "dark" ? 1 : -1),
      );
      for (let i = 20; i < light.length; i += 20) expect(light[i]).toBeGreaterThan(light[i - 20] as number);
    }
  });
});

it("scores beyond the scale take its ends", () => {
  expect(colourOf(2, false)).toEqual(colourOf(1, false));
  expect(colourOf(-2, true)).toEqual(colourOf(-1, true));
  expect(colourOf(-1, false)).toEqual(colourOf(0, false));
});

it("the sequential scale is viridis", () => {
  expect([0, 0.5, 1].map((score) => colourOf(score, false))).toEqual([
    [0x44, 0x01, 0x54],
    [0x21, 0x91, 0x8c],
    [0xfd, 0xe7, 0x25],
  ]);
});

it("are written in six digits", () => {
  expect(hex([0, 10, 255])).toBe("#000aff");
});
