import * as Plot from "@observablehq/plot";
import { rollups } from "d3-array";
import { min } from "simple-statistics";
import { type Chart, draw, headings, longest, ROW, shortName, WIDTH } from "./drawing.js";
import { agreementChart, randomisationChart } from "./likeness-charts.js";
import { isMeasured, type MeasuredRow, type Report } from "./schema.js";
import { machineLine } from "./system.js";

/** A row as pictures take it. */
interface Mark {
  run: string;
  model: string;
  method: string;
  prompt: number;
  length: number;
  seconds: number;
  perToken: number;
  /** GiB. */
  peak: number;
  working: number;
  faithful?: number;
  random?: number;
}

/** The pictures of a run, or of several side by side; those that the rows have figures for. */
export function charts(reports: readonly Report[]): Chart[] {
  const runs = runNames(reports);
  const marks = reports.flatMap((report, i) => report.rows.filter(isMeasured).map((row) => mark(row, runs[i] ?? "")));
  if (marks.length === 0) return [];
  const several = reports.length > 1;
  return [
    ...(several ? [hardware(marks)] : []),
    timePerToken(marks, several),
    ...(new Set(marks.map(({ length }) => length)).size > 1 ? [scaling(marks, several)] : []),
    ...(marks.some(({ faithful }) => faithful !== undefined) ? [faithfulness(marks, several)] : []),
    ...agreementChart(reports, runs),
    ...randomisationChart(reports, runs),
    memory(marks, several),
  ];
}

/** What tells runs apart: their number, and the machine. */
export const runNames = (reports: readonly Report[]): string[] =>
  reports.map(({ system }, i) => `${i + 1}: ${machineLine(system).split(";")[0]}`);

function mark(row: MeasuredRow, run: string): Mark {
  const { model, method, prompt, promptTokens, outputTokens, attributeSeconds: seconds, faithfulness } = row;
  const { peakBytes, workingBytes } = row;
  return {
    ...{ run, method, prompt, seconds },
    model: shortName(model),
    length: promptTokens + outputTokens,
    perToken: (1000 * seconds) / outputTokens,
    peak: peakBytes / 2 ** 30,
    working: workingBytes / 2 ** 30,
    ...(faithfulness && { faithful: faithfulness.comprehensiveness, random: faithfulness.random.comprehensiveness }),
  };
}

const perTokenScale = {
  type: "log",
  grid: true,
  label: "milliseconds for each output token →",
  tickFormat: "~s",
} as const;
/** Rows of one method each, one panel for each model; of several runs one for each pair. */
function panels(marks: readonly Mark[], several: boolean) {
  const panel = (m: Mark) => (several ? `${m.model}, ${m.run}` : m.model);
  const methods = new Set(marks.map(({ method }) => method)).size;
  const count = new Set(marks.map(panel)).size;
  return {
    panel,
    size: { width: WIDTH, height: count * (methods * ROW + 34) + 50, marginLeft: longest(marks.map((m) => m.method)) },
  };
}

function timePerToken(marks: readonly Mark[], several: boolean): Chart {
  const { panel, size } = panels(marks, several);
  const markup = draw({
    ...size,
    x: perTokenScale,
    fy: { label: null, axis: null },
    color: { legend: false },
    marks: [
      ...headings(marks, panel),
      Plot.dot(marks, { x: "perToken", y: "method", fy: panel, stroke: "method", strokeOpacity: 0.6, r: 3 }),
      Plot.tickX(
        marks,
        Plot.groupY({ x: "median" }, { x: "perToken", y: "method", fy: panel, stroke: "currentColor", strokeWidth: 2 }),
      ),
    ],
    ...sorted(marks),
  });
  const caption = "Each dot is one attribution, the stroke its method's median. Left is faster.";
  return { title: "Time per token", caption, markup };
}

function scaling(marks: readonly Mark[], several: boolean): Chart {
  const { panel } = panels(marks, several);
  const count = new Set(marks.map(panel)).size;
  const markup = draw({
    ...{ width: WIDTH, height: count * 240 + 50, marginLeft: 60 },
    x: { type: "log", grid: true, label: "tokens of prompt and outputs →", tickFormat: "~s" },
    y: { type: "log", grid: true, label: "seconds for an output →", labelAnchor: "center", tickFormat: "~g" },
    fy: { label: null, axis: null },
    color: { legend: true },
    marks: [
      ...headings(marks, panel),
      Plot.dot(marks, { x: "length", y: perOutput, fy: panel, stroke: "method", strokeOpacity: 0.5, r: 2.5 }),
      Plot.line(
        marks,
        Plot.groupX({ y: "median" }, { x: "length", y: perOutput, fy: panel, stroke: "method", sort: "length" }),
      ),
    ],
  });
  const caption = "Both scales are logarithmic: a straight line is a power of the length. Lines join medians.";
  return { title: "Scaling with length", caption, markup };
}

const perOutput = ({ perToken }: Mark) => perToken / 1000;

function faithfulness(marks: readonly Mark[], several: boolean): Chart {
  const { panel } = panels(marks, several);
  const known = marks.filter(({ faithful }) => faithful !== undefined);
  const count = new Set(known.map(panel)).size;
  const place = { x: "perToken", y: beyond, z: "method", fy: panel, stroke: "method", symbol: "method" } as const;
  const markup = draw({
    ...{ width: WIDTH, height: count * 260 + 50, marginLeft: 60, inset: 12 },
    x: perTokenScale,
    y: { grid: true, label: "comprehensiveness beyond chance →", labelAnchor: "center" },
    fy: { label: null, axis: null },
    symbol: { legend: true },
    marks: [
      ...headings(known, panel),
      Plot.ruleY([0]),
      Plot.dot(known, Plot.groupZ({ x: "median", y: "median", symbol: "first" }, { ...place, r: 6, strokeWidth: 2.5 })),
    ],
  });
  const caption =
    "How much more the outputs lose when the tokens that a method names are taken away than when random ones are: medians. Up is more faithful, left is faster.";
  return { title: "Speed against faithfulness", caption, markup };
}

const beyond = ({ faithful = 0, random = 0 }: Mark) => faithful - random;

function memory(marks: readonly Mark[], several: boolean): Chart {
  const { panel, size } = panels(marks, several);
  const markup = draw({
    ...size,
    x: { grid: true, label: "memory, GiB →", zero: true },
    fy: { label: null, axis: null },
    marks: [
      ...headings(marks, panel),
      Plot.barX(
        marks,
        Plot.groupY({ x: "median" }, { x: "peak", y: "method", fy: panel, fill: "method", fillOpacity: 0.35 }),
      ),
      Plot.barX(marks, Plot.groupY({ x: "median" }, { x: "working", y: "method", fy: panel, fill: "method" })),
      Plot.tickX(marks, Plot.groupY({ x: "max" }, { x: "peak", y: "method", fy: panel, stroke: "currentColor" })),
    ],
    ...sorted(marks),
  });
  const caption =
    "Pale: resident memory of the model's process, with weights, libraries and what its allocator keeps; the stroke is the most. Full: working memory that the method was planned with.";
  return { title: "Memory", caption, markup };
}

function hardware(marks: readonly Mark[]): Chart {
  const { size } = panels(marks, false);
  const panel = ({ model }: Mark) => model;
  const markup = draw({
    ...size,
    x: perTokenScale,
    fy: { label: null, axis: null },
    color: { legend: true },
    marks: [
      ...headings(marks, panel),
      Plot.dot(
        marks,
        Plot.groupY({ x: "median" }, { x: "perToken", y: "method", fy: panel, fill: "run", z: "run", r: 5 }),
      ),
    ],
    ...sorted(marks),
  });
  return { title: "Runs beside one another", caption: "Medians of each run. Left is faster.", markup };
}

/** Methods from the fastest to the slowest. */
function sorted(marks: readonly Mark[]): Pick<Plot.PlotOptions, "y"> {
  const fastest = rollups(
    marks,
    (own) => min(own.map(({ perToken }) => perToken)),
    ({ method }) => method,
  );
  return { y: { label: null, domain: fastest.sort(([, a], [, b]) => a - b).map(([method]) => method) } };
}
