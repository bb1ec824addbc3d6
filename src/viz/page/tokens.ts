import { figure, visible } from "../text.js";
import { means, measured, type Shown } from "../view.js";
import type { Board, Focus } from "./board.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { levelClass, sizeClass } from "./levels.js";
import { selectable } from "./selection.js";

/** The text, each token on the colour of its score: a listbox, one tab stop, moved in by arrow keys. */
export function tokenView(board: Board, layer: Layer, label: string): HTMLElement {
  const { view, result } = layer;
  const { promptLength, texts } = view;
  const tokens = texts.map((text, position) => {
    const shown = make("bdi", {}, visible(text));
    const token = make(
      "span",
      {
        role: "option",
        tabindex: position === 0 ? "0" : "-1",
        "aria-selected": "false",
        // White space is no name.
        ...(visible(text).trim() === "" && { "aria-label": `white space, ${text.length}` }),
      },
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
    { role: "listbox", "aria-label": label, "aria-multiselectable": "true", class: "tokens" },
    group("Prompt", 0, promptLength),
    group("Output", promptLength, texts.length),
  );

  selectable(box, tokens, board, result);

  const classes: string[] = [];
  let resting: (Shown & { of: Shown }) | undefined;
  const paint = () => {
    const focus = board.focusIn(result);
    const { all, shown } = layer;
    const { cloud } = board.settings;
    if (resting?.of !== shown) resting = { of: shown, ...measured(means(view, shown)) };
    const { values, largest } =
      focus === undefined ? { ...resting, largest: resting.largest || 1 } : layer.around(focus);
    const selected = board.pinned && focus;
    tokens.forEach((token, position) => {
      const within = focus !== undefined && position >= focus.position && position < focus.end;
      // Sizes are of the whole result: those of a focus would move the tokens from under the pointer.
      const size = cloud ? ((resting as Shown).values[position] as number) / ((resting as Shown).largest || 1) : 0;
      const name = [
        levelClass((values[position] as number) / largest, all.signed),
        cloud && sizeClass(size),
        within && "active",
        focus?.source === position && "source",
        focus !== undefined && position >= focus.end && "after",
      ]
        .filter(Boolean)
        .join(" ");
      if (classes[position] !== name) token.className = classes[position] = name;
      const isSelected = String(within && selected !== undefined);
      if (token.getAttribute("aria-selected") !== isSelected) token.setAttribute("aria-selected", isSelected);
    });
    box.classList.toggle("cloud", cloud);
    const told = captionOf(focus, promptLength, board);
    if (caption.textContent !== told) caption.textContent = told;
  };
  const write = () => {
    const step = board.stepOf(view);
    const scores = step === undefined ? undefined : view.stepScores[step];
    tokens.slice(promptLength).forEach((token, output) => {
      const text = scores === undefined ? "" : figure(scores[output] ?? 0);
      const small = token.lastElementChild as HTMLElement;
      if (small.textContent !== text) small.textContent = text;
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

function captionOf(focus: Focus | undefined, promptLength: number, { pinned, settings }: Board): string {
  const { unit } = settings;
  if (focus === undefined)
    return `Each ${unit} by its mean over the outputs. Point at one, or use the arrow keys; Enter pins, dragging or Shift takes a span.`;
  const what = focus.end > focus.position + 1 ? "span" : unit;
  return [
    ...(focus.end > promptLength ? [`Before the marked ${what}: what it leaned on.`] : []),
    "After it: what leans on it.",
    ...(pinned ? ["Pinned: Escape or another click releases it."] : []),
  ].join(" ");
}
