import * as Plot from "@observablehq/plot";
import { type Chart, draw, headings, shortName, WIDTH } from "./drawing.js";
import { isMeasured, type Report } from "./schema.js";

const RANDOM = "random orders";

interface Place {
  panel: string;
  method: string;
  curve: "deletion" | "insertion";
  point: number;
  value: number;
}

/** What the outputs' probability does as tokens go and come back; nothing where faithfulness was not measured. */
export function curveChart(reports: readonly Report[], runs: readonly string[]): Chart[] {
  const places = reports.flatMap((report, i) => placesOf(report, reports.length > 1 ? `, ${runs[i]}` : ""));
  if (places.length === 0) return [];
  const panel = (place: Place) => place.panel;
  const methods = [...new Set(places.map(({ method }) => method))].sort();
  const line = { x: "point", y: "value", fx: "curve", fy: panel, z: "method", sort: "point" } as const;
  const markup = draw({
    ...{ width: WIDTH, height: new Set(places.map(panel)).size * 240 + 66, marginLeft: 60, marginTop: 46 },
    x: { grid: true, label: "share of the tokens →", tickFormat: "~%" },
    y: { grid: true, label: "probability of the outputs →", labelAnchor: "center", zero: true },
    fx: { label: null, axis: null },
    fy: { label: null, axis: null },
    color: { legend: true, domain: methods.filter((method) => method !== RANDOM) },
    marks: [
      ...headings(places, panel, { fx: () => "deletion" }),
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
  });
  const caption =
    "Tokens are taken away (deletion) or put back (insertion) in the order of their scores: means over prompts. A faithful method falls early in the one and rises early in the other; dashes are random orders.";
  return [{ title: "Deletion and insertion", caption, markup }];
}

function placesOf({ rows }: Report, run: string): Place[] {
  return rows.filter(isMeasured).flatMap(({ model, method, faithfulness }) => {
    const curves = faithfulness?.curves;
    if (!curves) return [];
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
