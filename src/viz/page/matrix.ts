import { named } from "../svg.js";
import { figure } from "../text.js";
import { precedes } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";
import type { Layer } from "./layer.js";
import { legend } from "./legend.js";
import { drawMatrix, type Frame, type Mark } from "./matrix-drawing.js";
import { wheelFactor, zoomControl } from "./zoom.js";

const tallest = 26;

/** The heat map: tokens down, outputs across. Only what can be seen is drawn, so that its size does not matter. */
export function matrixView(board: Board, layer: Layer, label: string): HTMLElement {
  const { view, result } = layer;
  const { outputs, promptLength, texts } = view;
  const names = texts.map(named);
  const canvas = make("canvas", { "aria-hidden": "true" });
  const spread = make("div", { class: "spread" });
  const tip = make("p", { class: "tip", hidden: true });
  const pane = make(
    "div",
    { class: "matrix", tabindex: "0", role: "application", "aria-roledescription": "heat map", "aria-label": label },
    canvas,
    spread,
  );
  const frame: Frame = { cellWidth: 0, cellHeight: 0, left: 0, top: 0, width: 0, height: 0, scrollX: 0, scrollY: 0 };
  const zoom = zoomControl(board, frame);

  // Measured as it changes alone: asking for it in a frame that has changed the text would lay that out twice.
  let room = 0;
  // Until somebody zooms the outputs fill the width, within reason.
  const cellWidth = () => board.settings.zoom ?? Math.min(48, Math.max(15, Math.round((room - 220) / outputs)));
  const layout = () => {
    const [before, at] = [frame.cellWidth, zoom.keep()];
    const heightBefore = frame.cellHeight;
    const longest = (list: readonly string[]) => list.reduce((most, name) => Math.max(most, name.length), 0);
    frame.left = Math.min(150, 24 + 7.3 * longest(names));
    frame.top = Math.min(96, 24 + 5.6 * longest(names.slice(promptLength)));
    frame.cellWidth = cellWidth();
    frame.cellHeight = Math.min(frame.cellWidth, tallest);
    const [wide, high] = [frame.left + outputs * frame.cellWidth + 60, frame.top + texts.length * frame.cellHeight + 4];
    spread.style.width = `${wide}px`;
    spread.style.height = `${high}px`;
    pane.style.height = `${Math.min(high + 2, Math.max(260, window.innerHeight * 0.75))}px`;
    frame.width = Math.min(pane.clientWidth, wide);
    frame.height = Math.min(pane.clientHeight, high);
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(frame.width * ratio);
    canvas.height = Math.round(frame.height * ratio);
    canvas.style.width = `${frame.width}px`;
    canvas.style.height = `${frame.height}px`;
    if (before > 0) {
      const [x, y] = [at.x - frame.left, at.y - frame.top];
      pane.scrollLeft = ((x + frame.scrollX) * frame.cellWidth) / before - x;
      pane.scrollTop = ((y + frame.scrollY) * frame.cellHeight) / heightBefore - y;
    }
    zoom.show();
    scrolled();
    draw();
  };
  const draw = () => {
    drawMatrix(canvas, frame, layer, names, board.theme, mark());
  };
  const mark = (): Mark => {
    const focus = board.focusIn(result);
    if (focus === undefined) return {};
    const { position, end, source } = focus;
    return {
      columns:
        end > promptLength ? { from: Math.max(0, position - promptLength), to: end - 1 - promptLength } : undefined,
      rows: source === undefined ? { from: position, to: end - 1 } : { from: source, to: source },
    };
  };
  const scrolled = () => {
    frame.scrollX = pane.scrollLeft;
    frame.scrollY = pane.scrollTop;
  };
  let waiting = false;
  const later = () => {
    scrolled();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };

  /** The cell under a pointer, if it has a score. */
  const cellAt = (event: MouseEvent) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - frame.left, event.clientY - box.top - frame.top];
    const output = Math.floor((x + frame.scrollX) / frame.cellWidth);
    const position = Math.floor((y + frame.scrollY) / frame.cellHeight);
    const within = x >= 0 && y >= 0 && output >= 0 && output < outputs && position >= 0 && position < texts.length;
    return within && precedes(view, position, output) ? { position, output } : undefined;
  };
  const focusOf = ({ position, output }: { position: number; output: number }) => ({
    result,
    position: promptLength + output,
    end: promptLength + output + 1,
    source: position,
  });
  const showTip = (event: MouseEvent) => {
    const cell = cellAt(event);
    tip.hidden = cell === undefined;
    if (cell === undefined) return;
    const value = layer.all.values[cell.position * outputs + cell.output] as number;
    tip.textContent = `${names[cell.position]} → ${names[promptLength + cell.output]}: ${Number.isNaN(value) ? "not in both" : figure(value)}`;
    const area = wrap.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(event.clientX - area.left + 14, area.width - tip.offsetWidth))}px`;
    tip.style.top = `${event.clientY - area.top + 16}px`;
  };
  let chosen = { position: 0, output: 0 };
  pane.addEventListener("scroll", later, { passive: true });
  pane.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      zoom.by(wheelFactor(event), { x: event.clientX - box.left, y: event.clientY - box.top });
    },
    { passive: false },
  );
  pane.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    board.hover(cell && focusOf(cell));
    showTip(event);
  });
  pane.addEventListener("pointerleave", () => {
    tip.hidden = true;
    board.hover(undefined);
  });
  pane.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (cell === undefined) return;
    chosen = cell;
    board.pin(focusOf(cell));
  });

  const choose = (position: number, output: number) => {
    const column = Math.min(outputs - 1, Math.max(0, output));
    chosen = { output: column, position: Math.min(promptLength + column - 1, Math.max(0, position)) };
    if (chosen.position < 0) return;
    const [x, y] = [chosen.output * frame.cellWidth, chosen.position * frame.cellHeight];
    const [wide, high] = [frame.width - frame.left - frame.cellWidth, frame.height - frame.top - frame.cellHeight];
    pane.scrollLeft = Math.min(x, Math.max(pane.scrollLeft, x - wide));
    pane.scrollTop = Math.min(y, Math.max(pane.scrollTop, y - high));
    board.hover(focusOf(chosen));
  };
  pane.addEventListener("focus", () => {
    if (pane.matches(":focus-visible")) choose(chosen.position, chosen.output);
  });
  pane.addEventListener("blur", () => board.hover(undefined));
  pane.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { position, output } = chosen;
    const keys: Record<string, () => void> = {
      ArrowUp: () => choose(position - 1, output),
      ArrowDown: () => choose(position + 1, output),
      ArrowLeft: () => choose(position, output - 1),
      ArrowRight: () => choose(position, output + 1),
      Home: () => choose(position, 0),
      End: () => choose(position, outputs - 1),
      Enter: () => board.pin(focusOf(chosen)),
      " ": () => board.pin(focusOf(chosen)),
      Escape: () => board.release(),
      ...zoom.keys,
    };
    if (!Object.hasOwn(keys, event.key)) return;
    keys[event.key]?.();
    event.preventDefault();
  });

  new ResizeObserver(() => {
    room = pane.clientWidth;
    if (room > 0) layout();
  }).observe(pane);
  board.subscribe(() => {
    if (room > 0 && cellWidth() !== frame.cellWidth) layout();
    else draw();
  });
  const wrap = make(
    "div",
    { class: "heat-map" },
    make("div", { class: "bar" }, make("h3", {}, "Heat map"), legend(board, layer), zoom.element),
    pane,
    tip,
  );
  return wrap;
}
