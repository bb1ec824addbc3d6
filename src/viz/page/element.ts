import type { NativeDocument } from "../../storage/schema.js";
import { letterOf } from "../letter.js";
import { Board, type Colours } from "./board.js";
import { comparison } from "./comparison.js";
import { make } from "./dom.js";
import { Layer } from "./layer.js";
import { colourRules } from "./levels.js";
import { panel } from "./panel.js";
import { changedState, initialState, type LensState } from "./state.js";
import style from "./style.css";
import { toolbar } from "./toolbar.js";

export type { LensFocus, LensState } from "./state.js";
export type { NativeDocument };

let sheet: CSSStyleSheet | undefined;

/** The rules of every element, once: constructed, so that no Content-Security-Policy has to allow inline styles. */
function sharedSheet(): CSSStyleSheet {
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(`${style}\n${colourRules()}`);
  }
  return sheet;
}

// A server that renders pages may import this too: there is nothing to extend there, nor to register with.
const Base: typeof HTMLElement = globalThis.HTMLElement ?? (class {} as unknown as typeof HTMLElement);

/**
 * `<token-lens>`: an interactive picture of one result, or of several to compare. Set `results` to documents of the
 * native schema. Attributes, obeyed as they change: `theme` ("light" or "dark"; default: as the system), `normalisation`
 * ("inseq", "raw", "rescale", "tokenlense"; default: "inseq"), and `plain`, which leaves out what a page around it has
 * itself: the switch of colours.
 *
 * Fires `lens-change`, a CustomEvent with the new `state`, once a frame at most as its user changes a setting or what is
 * pinned. It bubbles, out of shadow trees too. What the page itself sets fires nothing.
 */
export class TokenLensElement extends Base {
  static readonly observedAttributes: readonly string[] = ["theme", "normalisation"];
  #results: readonly NativeDocument[] = [];
  #state: LensState = initialState;
  #board: Board | undefined;
  /** The state that the page around knows of, as JSON. */
  #known = "";
  /** Ends what it listens to outside itself. */
  #left = new AbortController();

  get results(): readonly NativeDocument[] {
    return this.#results;
  }

  /** `state` stays, but a pinned focus that lies beyond the new results. */
  set results(documents: readonly NativeDocument[]) {
    this.#state = this.state;
    this.#results = documents;
    this.#board?.leave();
    this.#board = undefined;
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sharedSheet()];
    root.replaceChildren(...(documents.length > 0 ? [this.#page(documents)] : []));
    this.#known = JSON.stringify(this.state);
  }

  /** All that makes this view: plain JSON, for a link, a setting or another element. */
  get state(): LensState {
    return this.#board?.state ?? this.#state;
  }

  /** Changes what is named. Numbers beyond their range take its ends; what is no value is passed over. */
  set state(changes: Partial<LensState>) {
    this.#tell();
    this.#state = changedState(this.state, changes);
    if (this.#board) this.#board.state = this.#state;
    this.#known = JSON.stringify(this.state);
  }

  connectedCallback(): void {
    // What a page set before this class was known lies on the element itself, and would hide the accessors.
    for (const name of ["state", "results"] as const) {
      if (!Object.hasOwn(this, name)) continue;
      const { [name]: value } = this as Record<typeof name, unknown>;
      Reflect.deleteProperty(this, name);
      Object.assign(this, { [name]: value });
    }
    this.#left = new AbortController();
    window
      .matchMedia("(prefers-color-scheme: dark)")
      .addEventListener("change", () => this.#board?.recolour(), { signal: this.#left.signal });
  }

  disconnectedCallback(): void {
    this.#left.abort();
  }

  attributeChangedCallback(name: string, _: string | null, value: string | null): void {
    if (name === "theme") this.#board?.set({ colours: this.#colours });
    else if (value !== null) this.state = { normalisation: value as LensState["normalisation"] };
  }

  get #colours(): Colours {
    const theme = this.getAttribute("theme");
    return theme === "light" || theme === "dark" ? theme : "system";
  }

  #tell(): void {
    const { state } = this;
    const json = JSON.stringify(state);
    if (this.#board === undefined || json === this.#known) return;
    this.#known = json;
    this.dispatchEvent(new CustomEvent<LensState>("lens-change", { detail: state, bubbles: true, composed: true }));
  }

  #page(documents: readonly NativeDocument[]): HTMLElement {
    const status = make("p", { role: "status", class: "spoken" });
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    const board = new Board(documents, this.#state, { status, system, colours: this.#colours });
    this.#board = board;
    const several = documents.length > 1;
    const content = make("div", { class: "content" });
    const page = make("div", { class: several ? "page several" : "page" }, toolbar(board), content, status);
    const dress = () => {
      page.dataset.theme = board.theme;
    };
    dress();
    board.watch(() => {
      if (this.#board !== board) return;
      dress();
      this.#tell();
    });
    board.draw(() => {
      const panels = documents.map((_, result) =>
        panel(board, new Layer(board, result), several ? letterOf(result) : undefined),
      );
      content.replaceChildren(make("div", { class: "panels" }, ...panels), ...(several ? [comparison(board)] : []));
    });
    page.addEventListener("keydown", (event) => {
      if (event.key === "Escape") board.release();
    });
    return page;
  }
}

if (globalThis.customElements && !customElements.get("token-lens"))
  customElements.define("token-lens", TokenLensElement);

declare global {
  interface HTMLElementTagNameMap {
    "token-lens": TokenLensElement;
  }
  interface HTMLElementEventMap {
    "lens-change": CustomEvent<LensState>;
  }
}
