import { agreementTexts, compareViews } from "../agreement.js";
import { difference } from "../alignment.js";
import { letterOf } from "../letter.js";
import { shown, type View } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";
import { Layer } from "./layer.js";
import { matrixView } from "./matrix.js";

/** How far the results of a page agree, and for each pair what the second has more than the first. */
export function comparison(board: Board): HTMLElement {
  const pairs = compareViews(board.views);
  const rows = pairs.map((pair) => {
    const [a, b] = pair.results;
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, `${letterOf(a)} and ${letterOf(b)}`),
      ...agreementTexts(pair).map((text) => make("td", {}, text)),
    );
  });
  const table = make(
    "table",
    {},
    make("caption", {}, "Means over the outputs that both have, of the tokens before them that both have."),
    make(
      "tr",
      {},
      make("td"),
      ...["Outputs", "Pearson", "Spearman", "Top 3 in common"].map((name) => make("th", { scope: "col" }, name)),
    ),
    ...rows,
  );
  return make(
    "section",
    { class: "panel", "aria-label": "Comparison" },
    make("header", {}, make("h2", {}, "Agreement")),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Agreement of each pair" }, table),
    ...pairs.map(({ results: [a, b] }) => differenceView(board, a, b)),
  );
}

function differenceView(board: Board, a: number, b: number): HTMLElement {
  const [from, to] = [board.views[a] as View, board.views[b] as View];
  const title = `${letterOf(b)} less ${letterOf(a)}`;
  const layer = new Layer(board, a, (by) =>
    difference(from, to, shown(from, by), shown(to, by), board.alignment(a, b)),
  );
  if (layer.all.values.every(Number.isNaN))
    return make("p", { class: "caption" }, `${title}: they have no output token in common.`);
  return make(
    "details",
    { open: board.views.length === 2 },
    make("summary", {}, `${title}: orange where ${letterOf(b)} has more, blue where ${letterOf(a)} has`),
    matrixView(board, layer, `${title}: heat map of the differences`),
  );
}
