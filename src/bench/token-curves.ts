import * as Plot from "@observablehq/plot";
import { group } from "d3-array";
import { mean } from "simple-statistics";
import { type Chart, headings, shortName, stacked } from "./drawing.js";
import { percent, significant } from "./numbers.js";
import type { Report } from "./schema.js";

const RANDOM = "random orders";

interface Place {
  panel: string;
  method: string;
  curve: "deletion" | "insertion";
  point: number;
  value: number;
}

/** What the outputs' probability does as tokens go and come back; nothing where faithfulness was not measured. */
export function tokenCurves(reports: readonly Report[], runs: readonly string[]): Chart[] {
  const places = reports.flatMap((report, i) => placesOf(report, reports.length > 1 ? `, ${runs[i]}` : ""));
  if (places.length === 0) return [];
  const panel = (place: Place) => place.panel;
  const methods = [...new Set(places.map(({ method }) => method))].sort();
  const shares = [...new Set(places.map(({ point }) => point))].sort((a, b) => a - b);
  const panels = stacked(new Set(places.map(panel)).size, 210);
  const line = { x: "point", y: "value", fx: "curve", fy: panel, z: "method", sort: "point" } as const;
  return [
    {
      title: "Deletion and insertion",
      caption:
        "Tokens are taken away (deletion) or put back (insertion) in the order of their scores: means over prompts. A faithful method falls early in the one and rises early in the other; dashes are random orders.",
      names: 3,
      rows: [
        ["model", "method", "curve", ...shares.map((share) => percent(share))],
        ...[...group(places, (place) => JSON.stringify([place.panel, place.method, place.curve]))].map(
          ([key, members]) => {
            const at = group(members, ({ point }) => point);
            const values = shares.map((share) => at.get(share)?.map(({ value }) => value));
            return [...(JSON.parse(key) as string[]), ...values.map((of) => (of ? significant(mean(of)) : ""))];
          },
        ),
      ],
      plot: (width) => ({
        ...{ width, marginLeft: 60, ...panels, marginTop: 46, height: panels.height + 22 },
        x: { grid: true, label: "share of the tokens →", tickFormat: "~%" },
        y: { grid: true, label: "probability of the outputs →", labelAnchor: "center", zero: true },
        fx: { label: null, axis: null },
        color: { legend: true, domain: methods.filter((method) => method !== RANDOM) },
        marks: [
          ...headings(places, panel, width / 2 - 80, 0, "deletion"),
          Plot.axisFx({ anchor: "top", label: null, dy: -18 }),
          ...[true, false].map((random) =>
            Plot.line(
              places.filter(({ method }) => (method === RANDOM) === random),
              Plot.groupX(
                { y: "mean" },
                { ...line, ...(random ? { stroke: "currentColor", strokeDasharray: "3 3" } : { stroke: "method" }) },
              ),
            ),
          ),
        ],
      }),
    },
  ];
}

function placesOf({ rows }: Report, run: string): Place[] {
  return rows.flatMap((row) => {
    const curves = row.status === "ok" ? row.faithfulness?.curves : undefined;
    if (!curves) return [];
    const { model, method } = row;
    const panel = `${shortName(model)}${run}`;
    const places = (name: string, curve: Place["curve"], values: readonly number[]) =>
      values.map((value, i) => ({ panel, method: name, curve, point: curves.points[i] as number, value }));
    return [
      ...places(method, "deletion", curves.deletion),
      ...places(method, "insertion", curves.insertion),
      ...places(RANDOM, "deletion", curves.randomDeletion),
      ...places(RANDOM, "insertion", curves.randomInsertion),
    ];
  });
}
