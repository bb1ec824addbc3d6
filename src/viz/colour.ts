import { WriteStream } from "node:tty";
import { Chalk, type ChalkInstance, type ColorSupportLevel } from "chalk";
import { colourOf, type Rgb, textColourOn } from "./scale.js";

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

/** Width of what a stream leads to. */
export function columnsOf(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): number {
  return "columns" in stream && typeof stream.columns === "number" ? stream.columns : Number(env.COLUMNS) || 80;
}
