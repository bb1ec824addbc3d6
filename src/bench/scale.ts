import { group } from "d3-array";
import { markdownTable } from "markdown-table";
import MultivariateLinearRegression from "ml-regression-multivariate-linear";
import { mean, median, sum } from "simple-statistics";
import { machineLine } from "./machine.js";
import { gibibytes, percent } from "./numbers.js";
import { type Fit, isMeasured, type MeasuredRow, type Report, type Row } from "./schema.js";
import { type FigureName, figuresOf } from "./summary.js";

/** Prompts and outputs of a sweep, in tokens. */
export const SCALE = { prompts: [16, 32, 64, 128], outputs: [4, 8, 16] } as const;

/**
 * How the time of an attribution grows with the lengths of prompt and output, by least squares on logarithms of medians: a
 * power of each. For each model and method with at least two lengths of both.
 */
export function fitGrowth(rows: readonly Row[]): Fit[] {
  return byModelAndMethod(rows).flatMap((members) => growth(members) ?? []);
}

/** In the order of their names, whatever the order in which they were measured. */
function byModelAndMethod(rows: readonly Row[]): MeasuredRow[][] {
  const groups = group(rows.filter(isMeasured), ({ model, method }) => JSON.stringify([model, method]));
  return [...groups].sort(([a], [b]) => a.localeCompare(b)).map(([, members]) => members);
}

function growth(rows: readonly MeasuredRow[]): Fit | undefined {
  const points = medians(rows);
  const lengths = (name: "promptTokens" | "outputTokens") => new Set(points.map((point) => point[name])).size;
  const [first] = rows;
  if (!first || lengths("promptTokens") < 2 || lengths("outputTokens") < 2) return undefined;
  const x = points.map(({ promptTokens, outputTokens }) => [Math.log(promptTokens), Math.log(outputTokens)]);
  const y = points.map(({ seconds }) => Math.log(seconds));
  const regression = new MultivariateLinearRegression(
    x,
    y.map((value) => [value]),
  );
  const [prompt = 0, output = 0, intercept = 0] = regression.weights.map(([weight = 0]) => weight);
  const left = sum(y.map((value, i) => (value - (regression.predict(x[i] as number[])[0] as number)) ** 2));
  const all = sum(y.map((value) => (value - mean(y)) ** 2));
  const { model, method } = first;
  return { model, method, factor: Math.exp(intercept), prompt, output, r2: 1 - left / all };
}

interface Point {
  promptTokens: number;
  outputTokens: number;
  /** Median of the repeats. */
  seconds: number;
  rows: readonly MeasuredRow[];
}

function medians(rows: readonly MeasuredRow[]): Point[] {
  const groups = group(rows, ({ promptTokens, outputTokens }) => `${promptTokens} ${outputTokens}`);
  return [...groups.values()]
    .map((members) => ({
      promptTokens: members[0]?.promptTokens ?? 0,
      outputTokens: members[0]?.outputTokens ?? 0,
      seconds: median(members.map(({ attributeSeconds }) => attributeSeconds)),
      rows: members,
    }))
    .sort((a, b) => a.promptTokens - b.promptTokens || a.outputTokens - b.outputTokens);
}

/** The sweep as the README's tables are written, Markdown, with the machine below. */
export function scaleTable(report: Report): string {
  const lines = byModelAndMethod(report.rows).flatMap((rows) =>
    medians(rows).map(({ promptTokens, outputTokens, seconds, rows: repeats }) => {
      const middle = (name: FigureName) => median(repeats.flatMap((row) => figuresOf(row)[name] ?? []));
      const [{ model, method } = { model: "", method: "" }] = repeats;
      return [
        model,
        `${promptTokens} + ${outputTokens}`,
        `\`${method}\``,
        seconds.toFixed(seconds < 1 ? 3 : 2),
        ((1000 * seconds) / outputTokens).toFixed(1),
        middle("gflopsPerSecond").toFixed(0),
        repeats.every(({ shareOfLimit }) => shareOfLimit === undefined) ? "" : percent(middle("shareOfLimit")),
        gibibytes(middle("peakBytes")),
      ];
    }),
  );
  return [
    markdownTable([["model", "tokens", "method", "seconds", "ms a token", "GFLOP/s", "of limit", "peak"], ...lines]),
    ...(report.fits?.length ? ["", fitTable(report.fits)] : []),
    "",
    `Medians. ${machineLine(report.system)}.`,
  ].join("\n");
}

function fitTable(fits: readonly Fit[]): string {
  return markdownTable([
    ["model", "method", "twice the prompt", "twice the outputs", "seconds, of P and T tokens", "R²"],
    ...fits.map(({ model, method, factor, prompt, output, r2 }) => [
      model,
      `\`${method}\``,
      `${(2 ** prompt).toFixed(2)}×`,
      `${(2 ** output).toFixed(2)}×`,
      `${factor.toExponential(2)} · P^${prompt.toFixed(2)} · T^${output.toFixed(2)}`,
      r2.toFixed(3),
    ]),
  ]);
}
