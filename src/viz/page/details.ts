import { largest } from "../agreement.js";
import { named } from "../svg.js";
import { figure, shorten } from "../text.js";
import type { Board, Focus } from "./board.js";
import { make } from "./dom.js";
import { between, type Layer } from "./layer.js";
import { levelClass } from "./levels.js";

const most = 6;

interface Entry {
  readonly position: number;
  readonly value: number;
}

/** Beside the text: what the token or span in focus leaned on, and what leans on it, the largest scores first. */
export function details(board: Board, layer: Layer): HTMLElement {
  const { view, result } = layer;
  const { promptLength, texts } = view;
  const heading = make("h3");
  const score = make("p", { class: "caption" });
  const name = (position: number) => named(texts[position] as string);
  const before = list("Leaned on", layer, name);
  const after = list("Leaned on by", layer, name);

  let empty = false;
  const update = () => {
    const focus = board.focusIn(result);
    if (focus === undefined && empty) return;
    empty = focus === undefined;
    if (focus === undefined) {
      heading.textContent = "No token chosen";
      score.textContent = "Point at a token to see what it leaned on, and what leans on it.";
      for (const { fill } of [before, after]) fill([], 1);
      return;
    }
    const { position, end, source } = focus;
    heading.textContent = named(texts.slice(position, end).join(""));
    score.textContent = [
      placeOf(focus, promptLength, board.settings.unit),
      ...(end > position + 1 ? ["sums over them"] : stepsOf(position - promptLength)),
      ...(source === undefined ? [] : [`${name(source)}: ${read(between(view, layer.all, focus, source))}`]),
    ].join(" · ");
    const { values, largest: scale } = layer.around(focus);
    const leaned = top(values, 0, position);
    const leaning = top(values, end, values.length);
    before.fill(leaned, scale);
    after.fill(leaning, scale);
    if (focus === board.focus) board.status.textContent = spoken(focus, leaned, leaning);
  };

  const stepsOf = (output: number) =>
    output < 0 ? [] : Object.entries(view.stepScores).map(([step, values]) => `${step} ${figure(values[output] ?? 0)}`);

  const spoken = (focus: Focus, leaned: readonly Entry[], leaning: readonly Entry[]) => {
    const { position, end, source } = focus;
    const entries = (all: readonly Entry[]) =>
      all.slice(0, 3).map((entry) => `${texts[entry.position]} ${figure(entry.value)}`);
    return [
      `${shorten(texts.slice(position, end).join(""), 120)}.`,
      ...(source === undefined ? [] : [`${texts[source]} counts ${read(between(view, layer.all, focus, source))}.`]),
      ...(leaned.length > 0 ? [`Leaned on ${entries(leaned).join(", ")}.`] : []),
      ...(leaning.length > 0 ? [`Leaned on by ${entries(leaning).join(", ")}.`] : []),
    ].join(" ");
  };

  board.subscribe(update);
  update();
  return make("div", { class: "details" }, heading, score, before.element, after.element);
}

function read(value: number): string {
  return Number.isNaN(value) ? "no score" : figure(value);
}

/** "Prompt token 2", "Outputs 1 to 3"; a span over both counts from the prompt's first. */
function placeOf({ position, end }: Focus, promptLength: number, unit: "token" | "word"): string {
  const last = end - 1;
  const many = last > position ? "s" : "";
  const range = (from: number) => `${many} ${position - from + 1}${many && ` to ${last - from + 1}`}`;
  if (position >= promptLength) return `Output${range(promptLength)}`;
  return last < promptLength ? `Prompt ${unit}${range(0)}` : `${unit === "word" ? "Word" : "Token"}${range(0)}`;
}

/** The largest sizes of a range, the largest first. */
function top(values: Float32Array, from: number, to: number): Entry[] {
  return largest(values.subarray(from, to), most).map((place) => ({
    position: from + place,
    value: values[from + place] as number,
  }));
}

/** A list of fixed length, so that nothing below moves as it is filled. */
function list(title: string, layer: Layer, name: (position: number) => string) {
  const rows = Array.from({ length: most }, () => {
    const [swatch, token, value] = [make("i", { class: "swatch" }), make("bdi", { class: "name" }), make("b")];
    return { row: make("li", {}, swatch, token, value), swatch, token, value };
  });
  const element = make("section", {}, make("h4", {}, title), make("ol", {}, ...rows.map(({ row }) => row)));
  const fill = (entries: readonly Entry[], scale: number) => {
    rows.forEach(({ swatch, token, value }, i) => {
      const entry = entries[i];
      const share = entry === undefined ? Number.NaN : entry.value / scale;
      swatch.className = `swatch ${levelClass(share, layer.all.signed)}`;
      token.textContent = entry === undefined ? "" : name(entry.position);
      value.textContent = entry === undefined ? "" : figure(entry.value);
    });
  };
  return { element, fill };
}
