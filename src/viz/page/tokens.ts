import { figure, visible } from "../text.js";
import { means, measured, type Shown } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { levelClass } from "./levels.js";

/** The text, each token on the colour of its score: a listbox, one tab stop, moved in by arrow keys. */
export function tokenView(board: Board, layer: Layer, label: string): HTMLElement {
  const { view, result } = layer;
  const { promptLength, texts } = view;
  const tokens = texts.map((text, position) => {
    const shown = make("bdi", {}, visible(text));
    const token = make(
      "span",
      { role: "option", tabindex: position === 0 ? "0" : "-1", "aria-selected": "false" },
      shown,
    );
    token.dataset.position = String(position);
    if (position >= promptLength) token.append(make("small"));
    return token;
  });
  const group = (name: string, from: number, to: number) =>
    make(
      "div",
      { role: "group", "aria-label": name, dir: "auto", class: name.toLowerCase() },
      ...tokens
        .slice(from, to)
        .flatMap((token, i) => (texts[from + i]?.endsWith("\n") ? [token, make("br")] : [token])),
    );
  const caption = make("p", { class: "caption" });
  const box = make(
    "div",
    { role: "listbox", "aria-label": label, class: "tokens" },
    group("Prompt", 0, promptLength),
    group("Output", promptLength, texts.length),
  );

  const placeOf = (event: Event) => {
    const token = (event.target as Element).closest<HTMLElement>("[data-position]");
    return token === null ? undefined : Number(token.dataset.position);
  };
  const look = (event: Event) => {
    const position = placeOf(event);
    if (position !== undefined) board.hover({ result, position });
  };
  box.addEventListener("pointerover", look);
  box.addEventListener("focusin", look);
  box.addEventListener("pointerleave", () => board.hover(undefined));
  box.addEventListener("click", (event) => {
    const position = placeOf(event);
    if (position !== undefined) board.pin({ result, position });
  });
  box.addEventListener("focusout", () => board.hover(undefined));
  box.addEventListener("keydown", (event) => {
    const position = placeOf(event);
    if (position === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape") board.release();
    else if (event.key === "Enter" || event.key === " ") board.pin({ result, position });
    else {
      const next = stepFrom(tokens, position, event.key);
      if (next === undefined) return;
      for (const token of tokens) token.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
    event.preventDefault();
  });

  const classes: string[] = [];
  let resting: (Shown & { of: Shown }) | undefined;
  const paint = () => {
    const focus = board.focusIn(result);
    const { all, shown } = layer;
    if (resting?.of !== shown) resting = { of: shown, ...measured(means(view, shown)) };
    const { values, largest: most } = resting;
    const largest = focus === undefined ? most || 1 : layer.largestAround(focus.position);
    tokens.forEach((token, position) => {
      const value = focus === undefined ? (values[position] as number) : between(layer, focus.position, position);
      const share = value / largest;
      const name = [
        levelClass(share, all.signed),
        focus?.position === position && "active",
        focus?.source === position && "source",
        focus !== undefined && position > focus.position && "after",
      ]
        .filter(Boolean)
        .join(" ");
      if (classes[position] === name) return;
      classes[position] = name;
      token.className = name;
    });
    const selected = board.pinned ? focus?.position : undefined;
    tokens.forEach((token, position) => {
      const value = String(position === selected);
      if (token.getAttribute("aria-selected") !== value) token.setAttribute("aria-selected", value);
    });
    caption.textContent = focus
      ? `${focus.position < promptLength ? "" : "Before the marked token: what it leaned on. "}After it: what leans on it.${board.pinned ? " Pinned: Escape or another click releases it." : ""}`
      : "Each token by its mean over the outputs. Point at one, or move with the arrow keys; Enter pins it.";
  };
  const write = () => {
    const scores =
      board.settings.step === undefined ? undefined : view.document.data.step_scores?.[board.settings.step];
    tokens.slice(promptLength).forEach((token, output) => {
      const small = token.lastElementChild as HTMLElement;
      small.textContent = scores === undefined ? "" : figure(scores[output] ?? 0);
    });
  };
  board.subscribe((changes) => {
    if (changes.has("settings")) write();
    paint();
  });
  write();
  paint();
  return make("div", { class: "text" }, box, caption);
}

/** What `other` counted for the token in focus, or that for `other`. */
function between(layer: Layer, focus: number, other: number): number {
  const [earlier, later] = other < focus ? [other, focus] : [focus, other];
  const output = later - layer.view.promptLength;
  if (earlier === later || output < 0) return Number.NaN;
  return layer.value(earlier, output);
}

function stepFrom(tokens: readonly HTMLElement[], position: number, key: string): HTMLElement | undefined {
  const inline = getComputedStyle(tokens[position]?.parentElement as Element).direction === "rtl" ? -1 : 1;
  const last = tokens.length - 1;
  const to = (place: number) => tokens[Math.min(last, Math.max(0, place))];
  switch (key) {
    case "ArrowRight":
      return to(position + inline);
    case "ArrowLeft":
      return to(position - inline);
    case "Home":
      return tokens[0];
    case "End":
      return tokens[last];
    case "ArrowUp":
    case "ArrowDown":
      return nextLine(tokens, position, key === "ArrowUp" ? -1 : 1);
    default:
      return undefined;
  }
}

/** The token of the line above or below that is nearest; the same one in the first and last line. */
function nextLine(tokens: readonly HTMLElement[], position: number, way: 1 | -1): HTMLElement | undefined {
  const box = (token: HTMLElement) => token.getClientRects()[0] ?? token.getBoundingClientRect();
  const middle = ({ left, right }: DOMRect) => (left + right) / 2;
  const from = box(tokens[position] as HTMLElement);
  let line: DOMRect | undefined;
  let best = tokens[position];
  let distance = Number.POSITIVE_INFINITY;
  for (let place = position + way; place >= 0 && place < tokens.length; place += way) {
    const token = tokens[place] as HTMLElement;
    const rect = box(token);
    const beyond = (rect.top - from.top) * way > from.height / 2;
    if (!beyond) continue;
    line ??= rect;
    if ((rect.top - line.top) * way > line.height / 2) break;
    if (Math.abs(middle(rect) - middle(from)) >= distance) continue;
    distance = Math.abs(middle(rect) - middle(from));
    best = token;
  }
  return best;
}
