import { colourOf, hex, inks, type Rgb, type Theme, textColourOn } from "../scale.js";

/** Colours per sign that tokens take: a class each, so that hovering changes class names alone. */
const levels = 24;

/** Class of a share of the largest score, −1 to 1; none for NaN. */
export function levelClass(share: number, signed: boolean): string {
  if (Number.isNaN(share)) return "hidden-score";
  const level = Math.round(Math.min(1, Math.abs(share)) * levels);
  return signed ? `${share < 0 ? "below" : "above"}-${level}` : `level-${level}`;
}

/** Sizes that the tokens of a cloud take. */
const sizes = 8;

/** Class of a share of the largest score: its size counts, NaN is as 0. */
export function sizeClass(share: number): string {
  return `size-${Math.round(Math.min(1, Math.abs(share) || 0) * sizes)}`;
}

/** Rules for every class that `levelClass` and `sizeClass` give, and the other colours as custom properties. */
export function colourRules(): string {
  const rules: string[] = [];
  for (const theme of ["light", "dark"] as Theme[]) {
    const properties = Object.entries(inks[theme]).map(([name, colour]) => `--${name}:${colour}`);
    rules.push(`[data-theme=${theme}]{${properties.join(";")}}`);
    for (let level = 0; level <= levels; level++)
      for (const [name, colour] of [
        ["level", colourOf(level / levels, false, theme)],
        ["above", colourOf(level / levels, true, theme)],
        ["below", colourOf(-level / levels, true, theme)],
      ] as [string, Rgb][])
        rules.push(
          `[data-theme=${theme}] .${name}-${level}{background:${hex(colour)};color:${hex(textColourOn(colour))}}`,
        );
  }
  for (let size = 0; size <= sizes; size++)
    rules.push(`.size-${size}{font-size:${(0.8 + (1.1 * size) / sizes).toFixed(3)}em}`);
  return rules.join("\n");
}

/** The scale from end to end. */
export function levelsOf(signed: boolean): string[] {
  const count = signed ? 2 * levels + 1 : levels + 1;
  return Array.from({ length: count }, (_, i) => levelClass(signed ? i / levels - 1 : i / levels, signed));
}
