import * as Plot from "@observablehq/plot";
import { type Chart, longest, palette, ROW } from "../../../../src/bench/drawing.js";
import type { ImportantToken } from "../../api/importance.js";
import { type Figure, figures, figureText } from "./figures.js";
import { tokenText } from "./token-text.js";

const BARS = 20;
const LONGEST_LABEL = 18;

/** The first tokens of a sorted list. */
export function bars(items: readonly ImportantToken[], by: Figure): Chart {
  const shown = items.slice(0, BARS);
  const { label, about } = figures[by];
  const cut = (token: string) => {
    const text = [...tokenText(token)];
    return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1).join("")}…` : text.join("");
  };
  const tokens = shown.map(({ token }) => token);
  return {
    title: "What matters most",
    caption: `${label}. ${about}`,
    names: 1,
    rows: [
      ["token", label.toLowerCase(), "places", "results"],
      ...shown.map((item) => [
        tokenText(item.token),
        figureText(by, item[by]),
        String(item.occurrences),
        String(item.results),
      ]),
    ],
    plot: (width) => ({
      ...{ width, height: shown.length * ROW + 50, marginLeft: longest(tokens.map(cut)), marginRight: 60 },
      ...{ marginTop: 4, marginBottom: 46 },
      x: {
        grid: true,
        ticks: width / 100,
        label: `${label.toLowerCase()} →`,
        ...(by !== "total" && by !== "lift" && { percent: true }),
      },
      y: { label: null, domain: tokens, tickFormat: cut, tickSize: 0 },
      marks: [
        Plot.barX(shown, { x: by, y: "token", fill: palette[0], rx: 2, insetTop: 2, insetBottom: 2 }),
        Plot.text(shown, { x: by, y: "token", text: (item) => figureText(by, item[by]), textAnchor: "start", dx: 6 }),
        Plot.ruleX([0]),
      ],
    }),
  };
}
