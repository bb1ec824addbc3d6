import { largest } from "../agreement.js";
import { named } from "../svg.js";
import { figure } from "../text.js";
import { precedes } from "../view.js";
import type { Board, Focus } from "./board.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { levelClass } from "./levels.js";

const most = 6;

interface Entry {
  readonly position: number;
  readonly value: number;
}

/** Beside the text: what the token in focus leaned on, and what leans on it, the largest scores first. */
export function details(board: Board, layer: Layer): HTMLElement {
  const { view, result } = layer;
  const { promptLength, texts } = view;
  const heading = make("h3");
  const score = make("p", { class: "caption" });
  const name = (position: number) => named(texts[position] as string);
  const before = list("Leaned on", layer, name);
  const after = list("Leaned on by", layer, name);

  const update = () => {
    const focus = board.focusIn(result);
    if (focus === undefined) {
      heading.textContent = "No token chosen";
      score.textContent = "Point at a token to see what it leaned on, and what leans on it.";
      for (const { fill } of [before, after]) fill([], 1);
      return;
    }
    const { position, source } = focus;
    const output = position - promptLength;
    heading.textContent = name(position);
    const steps = Object.entries(view.document.data.step_scores ?? {}).map(
      ([step, values]) => `${step} ${figure(values[output] ?? 0)}`,
    );
    score.textContent = [
      output < 0 ? `Prompt token ${position + 1}` : `Output ${output + 1}`,
      ...(output < 0 ? [] : steps),
      ...(source === undefined ? [] : [`${name(source)}: ${read(layer.all.values[source * view.outputs + output])}`]),
    ].join(" · ");
    const { leaned, leaning } = neighbours(layer, position);
    const scale = layer.largestAround(position);
    before.fill(leaned, scale);
    after.fill(leaning, scale);
    if (focus.result === result && focus === board.focus) board.status.textContent = spoken(focus, leaned, leaning);
  };

  const spoken = ({ position, source }: Focus, leaned: readonly Entry[], leaning: readonly Entry[]) => {
    const entries = (all: readonly Entry[]) =>
      all.slice(0, 3).map((entry) => `${texts[entry.position]} ${figure(entry.value)}`);
    return [
      `${texts[position]}.`,
      ...(source === undefined
        ? []
        : [`${texts[source]} counts ${read(layer.all.values[source * view.outputs + position - promptLength])}.`]),
      ...(leaned.length > 0 ? [`Leaned on ${entries(leaned).join(", ")}.`] : []),
      ...(leaning.length > 0 ? [`Leaned on by ${entries(leaning).join(", ")}.`] : []),
    ].join(" ");
  };

  board.subscribe(update);
  update();
  return make("div", { class: "details" }, heading, score, before.element, after.element);
}

function read(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "no score" : figure(value);
}

/** The tokens before a position with the largest scores for it, and the outputs after it that it has the largest for. */
function neighbours(layer: Layer, position: number): { leaned: Entry[]; leaning: Entry[] } {
  const { view } = layer;
  const output = position - view.promptLength;
  const top = (entries: Entry[]) =>
    largest(
      entries.map(({ value }) => value),
      most,
    ).map((place) => entries[place] as Entry);
  const leaned =
    output < 0
      ? []
      : Array.from({ length: position }, (_, from) => ({ position: from, value: layer.value(from, output) }));
  const leaning = Array.from({ length: view.outputs }, (_, later) => later)
    .filter((later) => precedes(view, position, later))
    .map((later) => ({ position: view.promptLength + later, value: layer.value(position, later) }));
  return { leaned: top(leaned), leaning: top(leaning) };
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
