import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export interface Chart {
  title: string;
  /** What is seen, for who does not know such a picture. */
  caption: string;
  /** An HTML figure with SVG in it; colours of text and axes are the page's. */
  markup: string;
}

export const WIDTH = 760;
/** Height of a method. */
export const ROW = 26;

/** A margin for labels. */
export const longest = (labels: readonly string[]) => 20 + 6.2 * Math.max(...labels.map(({ length }) => length));

/** A model's name without its folder. */
export const shortName = (model: string): string => model.split(/[\\/]/).at(-1) ?? model;

export function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  return Plot.plot({
    marginBottom: 46,
    ...options,
    x: { labelOffset: 40, ...options.x },
    document,
    style: { fontSize: "12px", background: "none" },
  }).outerHTML;
}

/** Each panel's name, above it. */
export function headings<T>(marks: readonly T[], panel: (mark: T) => string): Plot.Markish[] {
  const names = [...new Set(marks.map(panel))];
  const place = { frameAnchor: "top-left", dy: -14, fontWeight: "bold", textAnchor: "start" } as const;
  return [Plot.text(names, { text: (name) => name, fy: (name) => name, ...place })];
}
