import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { median } from "simple-statistics";
import { type Chart, headings } from "./drawing.js";
import type { Mark } from "./marks.js";
import { type Group, groupHead, groups, panelOf, perTokenScale } from "./method-charts.js";
import { significant } from "./numbers.js";

const methodsOf = (marks: readonly Mark[]) => [...new Set(marks.map(({ method }) => method))].sort();

/** A panel of `high` pixels for each model, one under another. */
function curves<M extends Mark>(marks: readonly M[], several: boolean, width: number, high: number) {
  const panel = panelOf(several);
  const size = { width, marginLeft: 60 };
  return {
    ...{ ...size, height: new Set(marks.map(panel)).size * high + 50, fy: { label: null, axis: null } },
    color: { domain: methodsOf(marks) },
    symbol: { legend: true, domain: methodsOf(marks) },
    headings: headings(marks, panel, size),
  };
}

type Long = Mark & { length: number };

export function scaling(marks: readonly Long[], several: boolean): Chart {
  const fy = panelOf(several);
  const perOutput = ({ perToken }: Mark) => perToken / 1000;
  const byLength = ({ names, members }: Group<Long>) =>
    [...group(members, ({ length }) => length)]
      .sort(([a], [b]) => a - b)
      .map(([length, same]) => [...names, String(length), significant(median(same.map(perOutput)))]);
  return {
    title: "Scaling with length",
    caption: "Both scales are logarithmic: a straight line is a power of the length. Lines join medians.",
    names: several ? 3 : 2,
    rows: [[...groupHead(several), "tokens", "seconds for an output"], ...groups(marks, several).flatMap(byLength)],
    plot: (width) => {
      const { headings, ...options } = curves(marks, several, width, 240);
      const place = { x: "length", y: perOutput, fy, stroke: "method" } as const;
      return {
        ...options,
        x: { type: "log", grid: true, label: "tokens of prompt and outputs →", tickFormat: "~s" },
        y: { type: "log", grid: true, label: "seconds for an output →", labelAnchor: "center", tickFormat: "~g" },
        marks: [
          ...headings,
          Plot.dot(marks, { ...place, symbol: "method", strokeOpacity: 0.6, r: 2.5 }),
          Plot.line(marks, Plot.groupX({ y: "median" }, { ...place, sort: "length" })),
        ],
      };
    },
  };
}

type Faithful = Mark & { beyond: number };

export function faithfulness(marks: readonly Faithful[], several: boolean): Chart {
  const medians = ({ names, members }: Group<Faithful>) => [
    ...names,
    significant(median(members.map(({ perToken }) => perToken))),
    significant(median(members.map(({ beyond }) => beyond))),
  ];
  return {
    title: "Speed against faithfulness",
    caption:
      "How much more the outputs lose when the tokens that a method names are taken away than when random ones are: medians. Up is more faithful, left is faster.",
    names: several ? 3 : 2,
    rows: [[...groupHead(several), "ms per token", "beyond chance"], ...groups(marks, several).map(medians)],
    plot: (width) => {
      const { headings, ...options } = curves(marks, several, width, 260);
      const place = { x: "perToken", y: "beyond", z: "method", fy: panelOf(several) } as const;
      const look = { stroke: "method", symbol: "method", r: 6, strokeWidth: 2.5 } as const;
      return {
        ...{ ...options, inset: 12 },
        x: perTokenScale,
        y: { grid: true, label: "comprehensiveness beyond chance →", labelAnchor: "center" },
        marks: [
          ...[...headings, Plot.ruleY([0])],
          Plot.dot(marks, Plot.groupZ({ x: "median", y: "median", symbol: "first" }, { ...place, ...look })),
        ],
      };
    },
  };
}
