import { WriteStream } from "node:tty";
import { Chalk, type ChalkInstance, type ColorSupportLevel } from "chalk";

export type Rgb = readonly [red: number, green: number, blue: number];

// Viridis (Smith & van der Walt 2015, matplotlib): light grows with the score, told apart in every colour blindness.
const sequential = ramp("440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725");
// Blue, dark, orange: light grows with the size on both sides, and blue and orange stay apart in every colour blindness.
const diverging = ramp("8ecbff 2f78b7 20242a b35c12 ffc266");

/** Colour of a score from −1 to 1 where `signed`, else from 0 to 1. */
export function colourOf(score: number, signed: boolean): Rgb {
  const stops = signed ? diverging : sequential;
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

/** Puts text on the colour of a score, with fewer colours in steps that keep the order of the ramps. */
export function painter(level: ColorSupportLevel, signed: boolean): (text: string, score: number) => string {
  const chalk = new Chalk({ level });
  if (level === 3)
    return (text, score) => {
      const background = colourOf(score, signed);
      return chalk.bgRgb(...background).rgb(...textColourOn(background))(text);
    };
  const styles = (level === 2 ? styles256 : styles16)(chalk);
  return (text, score) => {
    const steps = !signed ? styles.sequential : score < 0 ? styles.below : styles.above;
    const step = Math.min(steps.length - 1, Math.floor(Math.abs(score) * steps.length));
    return (steps[step] as ChalkInstance)(text);
  };
}

interface Styles {
  sequential: ChalkInstance[];
  below: ChalkInstance[];
  above: ChalkInstance[];
}

// Chosen by hand: the nearest colours of the cube are grey where the ramps are not, and out of order.
function styles256(chalk: ChalkInstance): Styles {
  const style = (code: number) => {
    const background = code < 232 ? cube(code) : ([28, 28, 28] as const);
    const [text] = textColourOn(background);
    return chalk.bgAnsi256(code).ansi256(text === 0 ? 16 : 231);
  };
  return {
    sequential: [53, 54, 25, 30, 36, 77, 149, 227].map(style),
    below: [234, 24, 31, 74, 117].map(style),
    above: [234, 94, 130, 172, 221].map(style),
  };
}

function styles16({ whiteBright: light, black: dark }: ChalkInstance): Styles {
  return {
    sequential: [light.bgBlack, light.bgBlue, dark.bgCyan, dark.bgYellowBright],
    below: [light.bgBlack, light.bgBlue, dark.bgCyan, dark.bgCyanBright],
    above: [light.bgBlack, light.bgRed, dark.bgYellow, dark.bgYellowBright],
  };
}

/** Of the 6 × 6 × 6 colours from code 16 on. */
function cube(code: number): Rgb {
  const value = (digit: number) => (digit === 0 ? 0 : 55 + 40 * digit);
  const place = code - 16;
  return [value(Math.floor(place / 36)), value(Math.floor(place / 6) % 6), value(place % 6)];
}

/** What colours a stream gets, by Node's rules: the terminal's kind, NO_COLOR and FORCE_COLOR. */
export function colourLevel(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): ColorSupportLevel {
  const terminal = "isTTY" in stream && stream.isTTY === true;
  if (!terminal && (env.FORCE_COLOR === undefined || env.FORCE_COLOR === "0")) return 0;
  const depth = WriteStream.prototype.getColorDepth(env);
  return depth >= 24 ? 3 : depth >= 8 ? 2 : depth >= 4 ? 1 : 0;
}

function ramp(stops: string): Rgb[] {
  return stops.split(" ").map((hex) => {
    const value = Number.parseInt(hex, 16);
    return [value >> 16, (value >> 8) & 255, value & 255];
  });
}
