import type { NativeDocument } from "../../storage/schema.js";
import { letterOf } from "../letter.js";
import type { Theme } from "../scale.js";
import type { PictureNormalisation } from "../view.js";
import { Board } from "./board.js";
import { comparison } from "./comparison.js";
import { make } from "./dom.js";
import { Layer } from "./layer.js";
import { colourRules } from "./levels.js";
import { panel } from "./panel.js";
import style from "./style.css";
import { toolbar } from "./toolbar.js";

let sheet: CSSStyleSheet | undefined;

/** The rules of every element, once: constructed, so that no Content-Security-Policy has to allow inline styles. */
function sharedSheet(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(`${style}\n${colourRules()}`);
  }
  return sheet;
}

/**
 * `<token-lens>`: an interactive picture of one result, or of several to compare. Set `results` to documents of the
 * native schema. Attributes, read when `results` is set: `theme` ("light" or "dark"; default: as the system),
 * `normalisation` ("inseq", "raw", "tokenlense"; default: "inseq").
 */
export class TokenLensElement extends HTMLElement {
  #results: readonly NativeDocument[] = [];
  /** Ends what the page before listened to outside itself. */
  #left = new AbortController();

  get results(): readonly NativeDocument[] {
    return this.#results;
  }

  set results(documents: readonly NativeDocument[]) {
    this.#results = documents;
    this.#left.abort();
    this.#left = new AbortController();
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sharedSheet()];
    root.replaceChildren(...(documents.length > 0 ? [this.#page(documents)] : []));
  }

  #page(documents: readonly NativeDocument[]): HTMLElement {
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const wanted = this.getAttribute("theme");
    const theme = wanted === "light" || wanted === "dark" ? (wanted as Theme) : undefined;
    const status = make("p", { role: "status", class: "spoken" });
    const board = new Board(
      documents,
      {
        normalisation: (this.getAttribute("normalisation") ?? "inseq") as PictureNormalisation,
        strength: 0,
        topK: 0,
        theme: theme ?? (system.matches ? "dark" : "light"),
      },
      status,
    );
    const several = documents.length > 1;
    const panels = documents.map((_, result) =>
      panel(board, new Layer(board, result), several ? letterOf(result) : undefined),
    );
    const page = make(
      "div",
      { class: several ? "page several" : "page" },
      toolbar(board, system, theme, this.#left.signal),
      make("div", { class: "panels" }, ...panels),
      ...(several ? [comparison(board)] : []),
      status,
    );
    const dress = () => {
      page.dataset.theme = board.settings.theme;
    };
    board.subscribe((changes) => {
      if (changes.has("settings")) dress();
    });
    dress();
    page.addEventListener("keydown", (event) => {
      if (event.key === "Escape") board.release();
    });
    return page;
  }
}

if (!customElements.get("token-lens")) customElements.define("token-lens", TokenLensElement);
