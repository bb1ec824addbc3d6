import { padEnd, width } from "../viz/text.js";

/** Rows as lines, each column as wide as its widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, width(cell))), []);
  return rows.map((row) => `  ${row.map((cell, i) => padEnd(cell, widths[i] ?? 0)).join("  ")}`.trimEnd());
}
