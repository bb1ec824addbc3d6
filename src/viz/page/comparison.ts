import { agreement, agreementTexts } from "../agreement.js";
import { commonOutputs, difference } from "../alignment.js";
import { letterOf } from "../letter.js";
import { shown, type View } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";
import { Layer } from "./layer.js";
import { matrixView } from "./matrix.js";

/** How far the results of a page agree, and for each pair what the second has more than the first. */
export function comparison(board: Board): HTMLElement {
  const pairs = board.views.flatMap((_, a) => board.views.slice(a + 1).map((_, i) => [a, a + 1 + i] as const));
  const rows = pairs.map(([a, b]) => {
    const row = make("tr", {}, make("th", { scope: "row" }, `${letterOf(a)} and ${letterOf(b)}`));
    const fill = () => {
      const found = agreement(board.views[a] as View, board.views[b] as View, undefined, board.alignment(a, b));
      row.append(...agreementTexts(found).map((text) => make("td", {}, text)));
    };
    return { row, fill };
  });
  void unhurried(
    rows.map(({ fill }) => fill),
    board.drawing(),
  );
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
    ...rows.map(({ row }) => row),
  );
  return make(
    "section",
    { class: "panel", "aria-label": "Comparison" },
    make("header", {}, make("h2", {}, "Agreement")),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Agreement of each pair" }, table),
    ...pairs.map(([a, b]) => differenceView(board, a, b)),
  );
}

function differenceView(board: Board, a: number, b: number): HTMLElement {
  const [from, to] = [board.views[a] as View, board.views[b] as View];
  const title = `${letterOf(b)} less ${letterOf(a)}`;
  const alignment = board.alignment(a, b);
  if (commonOutputs(from, to, alignment).every(({ positions }) => positions.length === 0))
    return make("p", { class: "caption" }, `${title}: they have no output token in common.`);
  const isOpen = board.views.length === 2;
  const element = make(
    "details",
    { open: isOpen },
    make("summary", {}, `${title}: orange where ${letterOf(b)} has more, blue where ${letterOf(a)} has`),
  );
  const fill = () => {
    const layer = new Layer(board, a, (by) => difference(from, to, shown(from, by), shown(to, by), alignment));
    element.append(matrixView(board, layer, `${title}: heat map of the differences`));
  };
  if (isOpen) fill();
  else {
    const isCurrent = board.drawing();
    element.addEventListener("toggle", () => isCurrent() && fill(), { once: true });
  }
  return element;
}

/** Runs tasks in turn; where they take long, the page goes on between them, for as long as they are wanted. */
async function unhurried(tasks: readonly (() => void)[], wanted: () => boolean): Promise<void> {
  let since = performance.now();
  for (const task of tasks) {
    if (performance.now() - since > 30) {
      await new Promise((done) => setTimeout(done));
      since = performance.now();
    }
    if (!wanted()) return;
    task();
  }
}
