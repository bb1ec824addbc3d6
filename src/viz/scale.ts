// The colour scales of terminal, page and image; no module of Node, as the page is made of it too.

export type Rgb = readonly [red: number, green: number, blue: number];
/** What the colours stand on: on "dark" the largest scores are the lightest, on "light" the darkest. */
export type Theme = "light" | "dark";

// Each can be read by lightness alone, and its hues are told apart in every colour blindness: viridis (Smith & van der
// Walt 2015, matplotlib), ColorBrewer's Blues and Oranges (Brewer 2003), and blue – orange by hand for dark ground.
const ramps = {
  dark: {
    sequential: ramp("440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725"),
    diverging: ramp("8ecbff 2f78b7 20242a b35c12 ffc266"),
  },
  light: {
    sequential: ramp("f7fbff deebf7 c6dbef 9ecae1 6baed6 4292c6 2171b5 08519c 08306b"),
    diverging: ramp("08519c 3182bd 6baed6 bdd7e7 f7f7f7 fdbe85 fd8d3c e6550d a63603"),
  },
};

/** Everything but scores: ground and text, fainter text, lines, what marks a token, and cells that a filter hides. */
export const inks = {
  light: { ground: "#ffffff", text: "#1b1f24", faint: "#59636e", line: "#8c959f", mark: "#c4007a", hidden: "#f0f2f5" },
  dark: { ground: "#14171c", text: "#e6e9ed", faint: "#9aa4b0", line: "#6b7682", mark: "#ff7ac6", hidden: "#1b2027" },
} as const satisfies Record<Theme, Record<string, string>>;
export type Ink = (typeof inks)[Theme];

/** Colour of a score from −1 (blue) to 1 (orange) where `signed`, else from 0 to 1; what lies beyond takes the ends. */
export function colourOf(score: number, signed: boolean, theme: Theme = "dark"): Rgb {
  const stops = ramps[theme][signed ? "diverging" : "sequential"];
  const place = Math.min(1, Math.max(0, signed ? (score + 1) / 2 : score)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  const [a, b] = [stops[below] as Rgb, stops[below + 1] as Rgb];
  const mix = (channel: 0 | 1 | 2) => Math.round(a[channel] + (b[channel] - a[channel]) * (place - below));
  return [mix(0), mix(1), mix(2)];
}

/** Black or white, whichever stands out more (contrast as WCAG 2 has it). */
export function textColourOn(background: Rgb): Rgb {
  const [red, green, blue] = background.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (luminance + 0.05) ** 2 > 1.05 * 0.05 ? [0, 0, 0] : [255, 255, 255];
}

/** As CSS and SVG write it: "#440154". */
export function hex(colour: Rgb): string {
  return `#${colour.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

function ramp(stops: string): Rgb[] {
  return stops.split(" ").map((code) => rgb(`#${code}`));
}

/** Of "#440154". */
export function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
