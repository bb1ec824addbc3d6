import { visible } from "../text.js";
import { facts, type View } from "../view.js";
import type { Board } from "./board.js";
import { details } from "./details.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { matrixView } from "./matrix.js";
import { tokenView } from "./tokens.js";

/** One result: what it is, its text, its heat map. */
export function panel(board: Board, layer: Layer, letter: string | undefined): HTMLElement {
  const { view, result } = layer;
  const { timings, versions, scores: beside } = view.document.tokenlense_native ?? {};
  const name = letter === undefined ? "" : `${letter}: `;
  const method = view.document.metadata.attribution_method ?? "unknown method";
  const seconds = Object.entries(timings ?? {}).map(([phase, value]) => `${phase} ${value.toFixed(2)} s`);
  const made = Object.entries(versions ?? {}).map(([product, version]) => `${product} ${version}`);
  return make(
    "section",
    { class: "panel", "aria-label": `${name}${method}` },
    make(
      "header",
      {},
      make(
        "h2",
        { dir: "auto" },
        ...(letter ? [make("b", { class: "letter" }, letter), " "] : []),
        visible(view.document.metadata.prompt),
      ),
      make(
        "ul",
        { class: "facts" },
        ...[...facts(board.tokenViews[result] as View), ...seconds, ...made].map((fact) => make("li", {}, fact)),
      ),
    ),
    ...(beside && view.document.data.association_matrix.length === 0
      ? [
          make(
            "p",
            { class: "caption", role: "note" },
            `This document has no scores: they lie beside it, in ${beside.file}. Load it by load() and give what its toJSON() does.`,
          ),
        ]
      : []),
    make("div", { class: "reading" }, tokenView(board, layer, `${name}tokens`), details(board, layer)),
    matrixView(
      board,
      layer,
      `${name}heat map: tokens down, outputs across. Arrow keys move, Enter pins, Escape releases, plus and minus change the size.`,
    ),
  );
}
