import { figure } from "../text.js";
import type { Shown } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { levelsOf } from "./levels.js";

/** Which colour stands for what. */
export function legend(board: Board, layer: Layer): HTMLElement {
  const [low, high] = [make("span"), make("span")];
  const bar = make("span", { class: "scale", "aria-hidden": "true" });
  let drawn: Shown | undefined;
  const update = () => {
    if (drawn === layer.all) return;
    drawn = layer.all;
    const { signed, largest } = drawn;
    bar.replaceChildren(...levelsOf(signed).map((level) => make("i", { class: level })));
    low.textContent = signed ? figure(-largest) : "0";
    high.textContent = figure(largest);
  };
  board.subscribe((changes) => {
    if (changes.has("settings")) update();
  });
  update();
  return make("p", { class: "legend" }, low, bar, high);
}
