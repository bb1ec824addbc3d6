import * as Plot from "@observablehq/plot";
import { type Chart, headings, stacked } from "../../../../src/bench/drawing.js";
import { letterOf } from "../../../../src/viz/letter.js";
import { visible } from "../../../../src/viz/text.js";
import type { Comparison } from "../../api/results.js";

type Pair = Comparison["pairs"][number];

export const pairName = ({ results: [a, b] }: Pair): string => `${letterOf(a)} and ${letterOf(b)}`;

const figures = ["Pearson", "Spearman", "overlap"] as const;
/** Below so many pixels for each output there is no room for its text. */
const LABELLED = 44;

/** Figures at each output, a panel for each pair; undefined where no pair has an output in common. */
export function agreementChart(pairs: readonly Pair[]): Chart | undefined {
  const outputs = pairs.flatMap((pair) =>
    pair.outputs.map(({ outputs: [place], ...output }) => ({ ...output, pair: pairName(pair), place: place + 1 })),
  );
  if (outputs.length === 0) return undefined;
  const points = outputs.flatMap(({ pair, place, pearson, spearman, topOverlap }) =>
    [pearson, spearman, topOverlap].map((value, i) => ({
      pair,
      place,
      value: value ?? Number.NaN,
      figure: figures[i],
    })),
  );
  const last = Math.max(...outputs.map(({ place }) => place));
  const text = (value: number | undefined) => value?.toFixed(3) ?? "";
  return {
    title: "Agreement at each output",
    caption: "At 1 the two say the same of an output, at 0 nothing alike; below 0 they contradict each other.",
    names: 3,
    rows: [
      ["pair", "output", "text", "tokens", "Pearson", "Spearman", `top ${pairs[0]?.topK}`],
      ...outputs.map((one) => [
        ...[one.pair, String(one.place), visible(one.text), String(one.tokens)],
        ...[one.pearson, one.spearman, one.topOverlap].map(text),
      ]),
    ],
    plot: (width) => {
      const labelled = (width - 60) / last > LABELLED;
      const place = { x: "place", y: "value", fy: "pair", stroke: "figure", z: "figure" } as const;
      return {
        ...{ width, marginLeft: 44, marginRight: 20, inset: 8 },
        ...stacked(new Set(outputs.map(({ pair }) => pair)).size, 120, labelled ? 28 : 46),
        x: { domain: [1, Math.max(2, last)], label: "output →", ...(labelled ? { axis: null } : { interval: 1 }) },
        y: { grid: true, ticks: 4, label: null, domain: [Math.min(0, ...points.map(({ value }) => value || 0)), 1] },
        color: { domain: figures },
        symbol: { legend: true, domain: figures },
        marks: [
          ...headings(outputs, ({ pair }) => pair, width - 60),
          Plot.ruleY([0], { strokeOpacity: 0.5 }),
          Plot.line(points, { ...place, strokeOpacity: 0.5 }),
          Plot.dot(points, { ...place, symbol: "figure", r: 4, strokeWidth: 1.8 }),
          ...(labelled
            ? [
                Plot.text(outputs, {
                  x: "place",
                  fy: "pair",
                  frameAnchor: "bottom",
                  dy: 9,
                  text: ({ text }) => visible(text),
                }),
              ]
            : []),
        ],
      };
    },
  };
}
