import stringWidth from "string-width";

const pictures: Record<string, string> = { "\n": "↵", "\t": "⇥", "\u2028": "↵", "\u2029": "↵", "\x7f": "␡" };

/**
 * A token as it can stand in a terminal: line ends and controls as pictures, invisible and direction-changing characters
 * by their number, a mark without its letter on a dotted circle, and "◦" for a token that is only the beginning of a
 * character, which the next one ends. What comes back is at least one column wide.
 */
export function visible(text: string): string {
  const shown = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}|\p{Cs}/gu, (character) => {
    const picture = pictures[character];
    if (picture) return picture;
    const code = character.codePointAt(0) ?? 0;
    return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `‹${code.toString(16).toUpperCase()}›`;
  });
  if (shown.length === 0) return "◦";
  return stringWidth(shown) === 0 ? `◌${shown}` : shown;
}

/** Columns that a text takes. */
export function width(text: string): number {
  // Most tokens are plain ASCII, and a large heat map measures a million.
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** A text in pieces of at most `columns` each, cut between what a reader takes for characters. */
export function pieces(text: string, columns: number): string[] {
  const cut: string[] = [""];
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const wide = width(segment);
    if (used > 0 && used + wide > columns) {
      cut.push("");
      used = 0;
    }
    cut[cut.length - 1] += segment;
    used += wide;
  }
  return cut;
}

/** Words in lines of at most `columns`, a separator between those of a line. */
export function paragraph(words: readonly string[], separator: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of words.flatMap((long) => pieces(long, columns))) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)}${separator}${word}`;
    if (lines.length > 0 && width(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** At most `columns` wide, with an ellipsis where something went. */
export function shorten(text: string, columns: number): string {
  return width(text) <= columns ? text : `${pieces(text, Math.max(1, columns - 1))[0]}…`;
}

export function padEnd(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

export function padStart(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - width(text))) + text;
}

/** A number in three digits, nine columns at most. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2) : value.toPrecision(3);
}
