import type { Board } from "./board.js";
import { make } from "./dom.js";
import type { Frame } from "./matrix-drawing.js";
import { zoomRange } from "./state.js";

/** A point of the heat map that stays where it is as its scale changes, in CSS pixels from the canvas' corner. */
interface Point {
  readonly x: number;
  readonly y: number;
}

const step = 1.25;

/**
 * The scale of a heat map, which all of a page share: a slider and buttons, and `by` for wheel and keys. `keep` gives the
 * point that is to stay at the next layout, the middle unless a pointer is the cause.
 */
export function zoomControl(board: Board, frame: Frame) {
  const slider = make("input", { type: "range", min: String(zoomRange.least), max: String(zoomRange.most), step: "1" });
  let point: Point | undefined;
  const to = (zoom: number | null, at?: Point) => {
    point = at;
    const within = (width: number) => Math.min(zoomRange.most, Math.max(zoomRange.least, width));
    board.set({ zoom: zoom === null ? null : Math.round(100 * within(zoom)) / 100 });
  };
  const by = (factor: number, at?: Point) => to((board.settings.zoom ?? frame.cellWidth) * factor, at);
  const button = (text: string, title: string, act: () => void) => {
    const element = make("button", { type: "button", title, "aria-label": title }, text);
    element.addEventListener("click", act);
    return element;
  };
  slider.addEventListener("input", () => to(Number(slider.value)));
  const element = make(
    "div",
    { class: "zoom", role: "group", "aria-label": "Scale" },
    make("label", {}, "Zoom ", slider),
    button("−", "Smaller cells", () => by(1 / step)),
    button("+", "Larger cells", () => by(step)),
    button("Fit", "As many cells as fit", () => to(null)),
  );
  const keep = (): Point => {
    const at = point ?? { x: (frame.left + frame.width) / 2, y: (frame.top + frame.height) / 2 };
    point = undefined;
    return at;
  };
  const show = () => {
    slider.value = String(Math.round(frame.cellWidth));
  };
  const keys: Readonly<Record<string, () => void>> = {
    "+": () => by(step),
    "=": () => by(step),
    "-": () => by(1 / step),
    "0": () => to(null),
  };
  return { element, by, keep, show, keys };
}

/** A turn of the wheel, or a pinch of a touchpad, as a factor. */
export function wheelFactor({ deltaY, deltaMode }: WheelEvent): number {
  const pixels = deltaMode === WheelEvent.DOM_DELTA_PIXEL ? deltaY : 16 * deltaY;
  return Math.exp(-Math.min(0.25, Math.max(-0.25, pixels / 100)));
}
