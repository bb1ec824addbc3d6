import * as Plot from "@observablehq/plot";

// Charts of a benchmark, drawn by the report that Node writes and by the server's page: no module of Node.

export interface Chart {
  title: string;
  /** What is seen, for who does not know such a picture. */
  caption: string;
  /** What is drawn as text, the first line a head: `names` columns of names, then figures. */
  rows: string[][];
  names: number;
  /** @param width Of the drawing, CSS pixels. */
  plot(width: number): Plot.PlotOptions;
}

/** Height of a method. */
export const ROW = 26;
/** Pixels of a character. */
const CHARACTER = 6.2;
/** Below it labels go over two lines. */
const NARROW = 520;

/** As light as one another, so that each can be seen on white and on black; symbols and tables tell them apart too. */
export const palette = [
  "#2a7fd4",
  "#d96c1e",
  "#0e9a83",
  "#d13d8b",
  "#8f8420",
  "#8a63d2",
  "#7d8590",
  "#c44536",
] as const;

/**
 * The drawing, an SVG or a figure with one; text and axes are in the colour of the text around.
 * @param place.document Default: the browser's.
 */
export function draw({ plot }: Chart, { width, ...place }: { width: number } & Pick<Plot.PlotOptions, "document">) {
  const { x, color, ...options } = plot(width);
  return Plot.plot({
    ...options,
    ...place,
    width,
    x: { labelOffset: 40, ...x },
    color: { range: palette, ...color },
    style: { fontFamily: "inherit", fontSize: "12px", background: "none" },
  });
}

/** A margin for labels. */
export function longest(labels: readonly string[]): number {
  return 20 + CHARACTER * Math.max(...labels.flatMap((label) => label.split("\n")).map(({ length }) => length));
}

/** A model's name without its folder. */
export const shortName = (model: string): string => model.split(/[\\/]/).at(-1) ?? model;

/** Methods as rows, from top to bottom. */
export function methodRows(methods: readonly string[], width: number) {
  const label = width < NARROW ? folded : (name: string) => name;
  return {
    marginLeft: longest(methods.map(label)),
    y: { label: null, domain: methods, tickFormat: label, tickSize: 0 },
  };
}

/** A name over two lines, cut nearest its middle. */
function folded(name: string): string {
  if (name.length < 14) return name;
  const places = [...name.matchAll(/[_:,-]/g)].map(({ index }) => index + 1);
  const place = places.sort((a, b) => Math.abs(a - name.length / 2) - Math.abs(b - name.length / 2))[0];
  return place === undefined ? name : `${name.slice(0, place)}\n${name.slice(place)}`;
}

/** Models as columns: labels aslant where they would meet. */
export function columns(labels: readonly string[], room: number) {
  const wide = CHARACTER * Math.max(...labels.map(({ length }) => length));
  const aslant = wide + 8 > room / labels.length;
  return {
    marginBottom: aslant ? 24 + 0.62 * wide : 30,
    x: { label: null, domain: labels, tickSize: 0, ...(aslant && { tickRotate: -35 }) },
  };
}

/** Between panels, where their names stand. */
const GAP = 34;

/** So many panels, one under another, each `inner` pixels high. */
export function stacked(count: number, inner: number, marginBottom = 46) {
  return {
    ...{ marginTop: 24, marginBottom },
    height: 24 + count * inner + (count - 1) * GAP + marginBottom,
    fy: { label: null, axis: null, paddingInner: GAP / (inner + GAP), paddingOuter: 0 },
  } as const;
}

/**
 * Each panel's name, above it.
 * @param width That there is for it.
 * @param dx Where it begins, from the panel's left side.
 * @param fx Above which of the panels beside one another, where there are such.
 */
export function headings<T>(
  marks: readonly T[],
  panel: (mark: T) => string,
  width: number,
  dx = 0,
  fx?: string,
): Plot.Markish[] {
  const names = [...new Set(marks.map(panel))];
  const place = { frameAnchor: "top-left", dy: -9, dx, fontWeight: "bold", textAnchor: "start" } as const;
  const room = { lineWidth: width / 13, textOverflow: "ellipsis" } as const;
  return [
    Plot.text(names, {
      text: (name) => name,
      fy: (name) => name,
      ...(fx !== undefined && { fx: () => fx }),
      ...place,
      ...room,
    }),
  ];
}
