import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { max, median, min } from "simple-statistics";
import { colourOf, hex, textColourOn } from "../viz/scale.js";
import { type Chart, columns, headings, methodRows, ROW, stacked } from "./drawing.js";
import type { Mark } from "./marks.js";
import { significant } from "./numbers.js";

/** So many ticks that some between powers of ten have their label too. */
export function perTokenScale(width: number): Plot.ScaleOptions {
  const label = "milliseconds for each output token →";
  return { type: "log", grid: true, label, tickFormat: "~s", ticks: Math.max(5, width / 80) };
}

/** A panel for each model; of several runs one for each pair. */
export const panelOf =
  (several: boolean) =>
  ({ model, run }: Pick<Mark, "model" | "run">): string =>
    several ? `${model}, ${run}` : model;

/** Marks of one method on one model, and in one run where there are several. */
export interface Group<M> {
  names: string[];
  members: M[];
}

export const groupHead = (several: boolean) => [...(several ? ["run"] : []), "model", "method"];

export const groupNames =
  (several: boolean) =>
  ({ run, model, method }: Pick<Mark, "run" | "model" | "method">): string[] => [
    ...(several ? [run] : []),
    model,
    method,
  ];

export function groups<M extends Mark>(marks: readonly M[], several: boolean): Group<M>[] {
  const names = groupNames(several);
  return [...group(marks, (mark) => JSON.stringify(names(mark)))].map(([key, members]) => ({
    names: JSON.parse(key) as string[],
    members,
  }));
}

const least = (members: readonly Mark[]) => min(members.map(({ perToken }) => perToken));

/** Methods from the fastest to the slowest. */
const bySpeed = (marks: readonly Mark[]): string[] =>
  [...group(marks, ({ method }) => method)].sort(([, a], [, b]) => least(a) - least(b)).map(([method]) => method);

/** Rows of one method each in a panel of its own for each `panel`. */
function rowsIn<M extends Mark>(marks: readonly M[], panel: (mark: M) => string, width: number) {
  const methods = bySpeed(marks);
  const rows = methodRows(methods, width);
  return {
    ...{ width, ...rows },
    ...stacked(new Set(marks.map(panel)).size, methods.length * ROW),
    headings: headings(marks, panel, width - 30, 6 - rows.marginLeft),
  };
}

export function timePerToken(marks: readonly Mark[], several: boolean): Chart {
  const panel = panelOf(several);
  return {
    title: "Time per token",
    caption: "Each dot is one attribution, the stroke its method's median. Left is faster.",
    names: several ? 3 : 2,
    rows: [
      [...groupHead(several), "ms per token", "least", "most", "attributions"],
      ...groups(marks, several).map(({ names, members }) => {
        const times = members.map(({ perToken }) => perToken);
        return [...names, ...[median(times), min(times), max(times)].map(significant), String(times.length)];
      }),
    ],
    plot: (width) => {
      const { headings, ...options } = rowsIn(marks, panel, width);
      const place = { x: "perToken", y: "method", fy: panel } as const;
      return {
        ...options,
        x: perTokenScale(width),
        marks: [
          ...headings,
          Plot.dot(marks, { ...place, stroke: "method", strokeOpacity: 0.7, r: 3 }),
          Plot.tickX(marks, Plot.groupY({ x: "median" }, { ...place, stroke: "currentColor", strokeWidth: 2 })),
        ],
      };
    },
  };
}

/** Tokens per second, methods × models. */
export function rates(marks: readonly Mark[], several: boolean): Chart {
  const methods = bySpeed(marks);
  const models = [...new Set(marks.map(({ model }) => model))];
  const cells = groups(marks, several).map(({ names, members: [first, ...others] }) => {
    const { run, model, method } = first as Mark;
    return { names, run, model, method, rate: 1000 / median([first as Mark, ...others].map((m) => m.perToken)) };
  });
  const logs = cells.map(({ rate }) => Math.log(rate));
  const [low, high] = [min(logs), max(logs)];
  const colour = ({ rate }: (typeof cells)[number]) =>
    colourOf(high > low ? (Math.log(rate) - low) / (high - low) : 0.5, false, "dark");
  const panel = ({ run }: { run: string }) => (several ? run : "");
  return {
    title: "Tokens per second",
    caption:
      "How many outputs are attributed in a second: medians. The lighter a cell, the faster; the scale is logarithmic.",
    names: several ? 3 : 2,
    rows: [
      [...groupHead(several), "tokens per second"],
      ...cells.map(({ names, rate }) => [...names, significant(rate)]),
    ],
    plot: (width) => {
      const rows = methodRows(methods, width);
      const across = columns(models, width - rows.marginLeft);
      const place = { x: "model", y: "method", fy: panel } as const;
      return {
        ...{ width, ...rows, x: across.x },
        ...stacked(new Set(cells.map(panel)).size, methods.length * 1.25 * ROW, across.marginBottom),
        ...(several ? {} : { marginTop: 4 }),
        marks: [
          ...(several ? headings(cells, panel, width - 30, 6 - rows.marginLeft) : []),
          Plot.cell(cells, { ...place, inset: 1, rx: 2, fill: (cell) => hex(colour(cell)) }),
          Plot.text(cells, {
            ...place,
            text: ({ rate }) => significant(rate),
            fill: (cell) => hex(textColourOn(colour(cell))),
          }),
        ],
      };
    },
  };
}

export function memory(marks: readonly (Mark & { peak: number })[], several: boolean): Chart {
  const panel = panelOf(several);
  return {
    title: "Memory",
    caption:
      "Pale: resident memory of the model's process, with weights, libraries and what its allocator keeps; the stroke is the most. Full: working memory that the method was planned with.",
    names: several ? 3 : 2,
    rows: [
      [...groupHead(several), "resident, GiB", "most", "working, GiB"],
      ...groups(marks, several).map(({ names, members }) => {
        const peaks = members.map(({ peak }) => peak);
        return [...names, ...[median(peaks), max(peaks), median(members.map((m) => m.working ?? 0))].map(significant)];
      }),
    ],
    plot: (width) => {
      const { headings, ...options } = rowsIn(marks, panel, width);
      const place = { y: "method", fy: panel } as const;
      const bar = (x: "peak" | "working", fillOpacity: number) =>
        Plot.barX(marks, Plot.groupY({ x: "median" }, { ...place, x, fill: "method", fillOpacity }));
      return {
        ...options,
        x: { grid: true, label: "memory, GiB →", zero: true },
        marks: [
          ...[...headings, bar("peak", 0.35), bar("working", 1)],
          Plot.tickX(marks, Plot.groupY({ x: "max" }, { ...place, x: "peak", stroke: "currentColor" })),
        ],
      };
    },
  };
}

/** Runs of several machines, or of several versions on one. */
export function hardware(marks: readonly Mark[]): Chart {
  const runs = [...new Set(marks.map(({ run }) => run))];
  const medians = groups(marks, true).map(({ names: [run, model, method], members }) => ({
    ...({ run, model, method } as Pick<Mark, "run" | "model" | "method">),
    perToken: median(members.map(({ perToken }) => perToken)),
  }));
  const panel = ({ model }: { model: string }) => model;
  return {
    title: "Runs beside one another",
    caption: "Medians of each run, in milliseconds for each output token. Left is faster.",
    names: 2,
    rows: [
      ["model", "method", ...runs],
      ...groups(marks, false).map(({ names: [model, method] }) => [
        ...[model ?? "", method ?? ""],
        ...runs.map((run) => {
          const own = medians.find((one) => one.run === run && one.model === model && one.method === method);
          return own ? significant(own.perToken) : "";
        }),
      ]),
    ],
    plot: (width) => {
      const { headings, ...options } = rowsIn(marks, panel, width);
      const dot = { x: "perToken", y: "method", fy: panel, stroke: "run", symbol: "run" } as const;
      return {
        ...options,
        x: perTokenScale(width),
        color: { domain: runs },
        symbol: { legend: true, domain: runs },
        marks: [...headings, Plot.dot(medians, { ...dot, r: 5, strokeWidth: 2 })],
      };
    },
  };
}
