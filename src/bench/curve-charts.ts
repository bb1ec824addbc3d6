import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { median } from "simple-statistics";
import { type Chart, headings, stacked } from "./drawing.js";
import type { FaithfulMark, Mark } from "./marks.js";
import { type Group, groupHead, groupNames, groups, panelOf, perTokenScale } from "./method-charts.js";
import { significant } from "./numbers.js";

const methodsOf = (marks: readonly Pick<Mark, "method">[]) => [...new Set(marks.map(({ method }) => method))].sort();

/** A panel of `high` pixels for each model, one under another. */
function curves<M extends Pick<Mark, "run" | "model" | "method">>(
  marks: readonly M[],
  several: boolean,
  width: number,
  high: number,
) {
  const panel = panelOf(several);
  return {
    ...{ width, marginLeft: 60, ...stacked(new Set(marks.map(panel)).size, high) },
    color: { domain: methodsOf(marks) },
    symbol: { legend: true, domain: methodsOf(marks) },
    headings: headings(marks, panel, width - 80),
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
      const { headings, ...options } = curves(marks, several, width, 210);
      const place = { x: "length", y: perOutput, fy, stroke: "method" } as const;
      return {
        ...options,
        x: { type: "log", grid: true, label: "tokens of prompt and outputs →", tickFormat: "~s" },
        y: { type: "log", grid: true, label: "seconds for an output →", labelAnchor: "center", tickFormat: "~g" },
        marks: [
          ...headings,
          Plot.dot(marks, { ...place, symbol: "method", strokeOpacity: 0.6, r: 3.5 }),
          Plot.line(marks, Plot.groupX({ y: "median" }, { ...place, sort: "length" })),
        ],
      };
    },
  };
}

export function faithfulness(marks: readonly FaithfulMark[], several: boolean): Chart {
  const names = groupNames(several);
  const text = (interval: readonly number[]) => interval.map(significant).join(" to ");
  return {
    title: "Speed against faithfulness",
    caption:
      "How much more the outputs lose when the tokens that a method names are taken away than when random ones are: means over prompts, with 95 % intervals. Up is more faithful, left is faster.",
    names: several ? 3 : 2,
    rows: [
      [...groupHead(several), "ms per token", "beyond chance", "95 % interval"],
      ...marks.map((mark) => [
        ...names(mark),
        significant(mark.perToken),
        significant(mark.beyond),
        text(mark.interval),
      ]),
    ],
    plot: (width) => {
      const { headings, ...options } = curves(marks, several, width, 230);
      const place = { x: "perToken", fy: panelOf(several), stroke: "method" } as const;
      const bounded = marks.filter(({ interval }) => interval.length === 2);
      const end = (i: 0 | 1) => (mark: FaithfulMark) => mark.interval[i];
      return {
        ...{ ...options, inset: 12 },
        x: perTokenScale(width),
        y: { grid: true, label: "comprehensiveness beyond chance →", labelAnchor: "center" },
        marks: [
          ...[...headings, Plot.ruleY([0])],
          Plot.ruleX(bounded, { ...place, y1: end(0), y2: end(1), strokeOpacity: 0.6 }),
          Plot.dot(marks, { ...place, y: "beyond", symbol: "method", r: 6, strokeWidth: 2.5 }),
        ],
      };
    },
  };
}
