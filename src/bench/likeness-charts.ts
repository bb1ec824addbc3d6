import * as Plot from "@observablehq/plot";
import { colourOf, hex, textColourOn } from "../viz/scale.js";
import { type Chart, columns, headings, methodRows, ROW, shortName, stacked } from "./drawing.js";
import { AGREEMENT, likenessText, RANDOMISATION, stages } from "./likeness-text.js";
import type { Report } from "./schema.js";

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
  const colour = ({ spearman = 0 }: (typeof cells)[number]) => colourOf(spearman, true, "light");
  const place = { x: "other", y: "method", fy: panelOf } as const;
  return [
    {
      title: "Agreement of methods",
      caption: `${AGREEMENT} Orange: the two agree; blue: they contradict each other.`,
      names: 3,
      rows: [
        ["model", "method", "other", "agreement"],
        ...pairs.map((pair) => [pair.panel, pair.method, pair.other, likenessText(pair)]),
      ],
      plot: (width) => {
        const rows = methodRows(methods, width);
        const across = columns(methods, width - rows.marginLeft);
        const wide = width - rows.marginLeft > methods.length * 40;
        return {
          ...{ width, ...rows, x: across.x },
          ...stacked(countOf(pairs.map(panelOf)), methods.length * 1.5 * ROW, across.marginBottom),
          marks: [
            ...headings(cells, panelOf, width - 30, 6 - rows.marginLeft),
            Plot.cell(cells, { ...place, inset: 1, fill: (cell) => hex(colour(cell)) }),
            Plot.text(wide ? cells : [], {
              ...place,
              text: (cell) => likenessText(cell).replace(", ", "\n"),
              fill: (cell) => hex(textColourOn(colour(cell))),
            }),
          ],
        };
      },
    },
  ];
}

/** What is left of each method's attributions as the model loses what it learned. */
export function randomisationChart(reports: readonly Report[], runs: readonly string[]): Chart[] {
  const means = panelled(reports, runs, ({ randomisationMeans }) => randomisationMeans).filter(
    ({ spearman }) => spearman !== undefined,
  );
  if (means.length === 0) return [];
  const methods = [...new Set(means.map(({ method }) => method))];
  return [
    {
      title: "Sensitivity to the model's weights",
      caption: RANDOMISATION,
      names: 3,
      rows: [
        ["model", "method", "random", "likeness"],
        ...means.map((mean) => [mean.panel, mean.method, mean.stage, likenessText(mean)]),
      ],
      plot: (width) => {
        const rows = methodRows(methods, width);
        const dot = { x: "spearman", y: "method", fy: panelOf, stroke: "stage", symbol: "stage" } as const;
        return {
          ...{ width, ...rows, ...stacked(countOf(means.map(panelOf)), methods.length * ROW) },
          x: { grid: true, domain: [-1, 1], label: "rank correlation with the model's own →" },
          symbol: { legend: true, domain: stages },
          color: { domain: stages },
          marks: [
            ...headings(means, panelOf, width - 30, 6 - rows.marginLeft),
            Plot.ruleX([0]),
            Plot.dot(means, { ...dot, r: 5, strokeWidth: 2 }),
          ],
        };
      },
    },
  ];
}
