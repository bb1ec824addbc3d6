import * as Plot from "@observablehq/plot";
import { colourOf, hex, textColourOn } from "../viz/scale.js";
import { type Chart, draw, headings, longest, ROW, shortName, WIDTH } from "./drawing.js";
import { likenessText } from "./likeness.js";
import { type Report, stageSchema } from "./schema.js";
import { AGREEMENT, RANDOMISATION } from "./text.js";

/** A panel for each model, and of several runs for each pair. */
function panelled<Row extends { model: string }>(
  reports: readonly Report[],
  runs: readonly string[],
  rows: (report: Report) => readonly Row[],
): (Row & { panel: string })[] {
  return reports.flatMap((report, i) =>
    rows(report).map((row) => {
      const model = shortName(row.model);
      return { ...row, panel: reports.length > 1 ? `${model}, ${runs[i]}` : model };
    }),
  );
}

const panelOf = ({ panel }: { panel: string }) => panel;
const countOf = (labels: readonly string[]) => new Set(labels).size;

/** Methods × methods; nothing where fewer than two ran. */
export function agreementChart(reports: readonly Report[], runs: readonly string[]): Chart[] {
  const pairs = panelled(reports, runs, ({ agreementMeans }) => agreementMeans);
  if (pairs.length === 0) return [];
  const cells = pairs.flatMap((pair) => [pair, { ...pair, method: pair.other, other: pair.method }]);
  const methods = [...new Set(cells.map(({ method }) => method))].sort();
  const margin = longest(methods);
  const colour = ({ spearman = 0 }: (typeof cells)[number]) => colourOf(spearman, true, "light");
  const place = { x: "other", y: "method", fy: panelOf } as const;
  const markup = draw({
    ...{ width: WIDTH, marginLeft: margin, marginBottom: margin * 0.62, marginTop: 30 },
    height: countOf(pairs.map(panelOf)) * (methods.length * 1.5 * ROW + 34) + margin,
    x: { label: null, domain: methods, tickRotate: -35, tickSize: 0 },
    y: { label: null, domain: methods, tickSize: 0 },
    fy: { label: null, axis: null },
    marks: [
      ...headings(cells, panelOf),
      Plot.cell(cells, { ...place, inset: 1, fill: (cell) => hex(colour(cell)) }),
      Plot.text(cells, {
        ...place,
        text: (cell) => likenessText(cell).replace(", ", "\n"),
        fill: (cell) => hex(textColourOn(colour(cell))),
      }),
    ],
  });
  const caption = `${AGREEMENT} Orange: the two agree; blue: they contradict each other.`;
  return [{ title: "Agreement of methods", caption, markup }];
}

/** What is left of each method's attributions as the model loses what it learned. */
export function randomisationChart(reports: readonly Report[], runs: readonly string[]): Chart[] {
  const means = panelled(reports, runs, ({ randomisationMeans }) => randomisationMeans).filter(
    ({ spearman }) => spearman !== undefined,
  );
  if (means.length === 0) return [];
  const methods = [...new Set(means.map(({ method }) => method))];
  const markup = draw({
    ...{ width: WIDTH, marginLeft: longest(methods) },
    height: countOf(means.map(panelOf)) * (methods.length * ROW + 34) + 50,
    x: { grid: true, domain: [-1, 1], label: "rank correlation with the model's own →" },
    y: { label: null, domain: methods },
    fy: { label: null, axis: null },
    symbol: { legend: true, domain: stageSchema.options },
    color: { domain: stageSchema.options },
    marks: [
      ...headings(means, panelOf),
      Plot.ruleX([0]),
      Plot.dot(means, {
        ...{ x: "spearman", y: "method", fy: panelOf, stroke: "stage", symbol: "stage" },
        ...{ r: 5, strokeWidth: 2 },
      }),
    ],
  });
  return [{ title: "Sensitivity to the model's weights", caption: RANDOMISATION, markup }];
}
