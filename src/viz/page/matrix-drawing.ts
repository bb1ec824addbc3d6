import { colourOf, hex, inks, rgb, type Theme, textColourOn } from "../scale.js";
import { figure } from "../text.js";
import { precedes } from "../view.js";
import type { Layer } from "./layer.js";

/** What of the heat map lies on the canvas, in CSS pixels. */
export interface Frame {
  cellWidth: number;
  cellHeight: number;
  /** Room for the labels. */
  left: number;
  top: number;
  width: number;
  height: number;
  scrollX: number;
  scrollY: number;
}

/** From the first to the last. */
interface Range {
  from: number;
  to: number;
}

/** The rows and columns that are looked at. */
export interface Mark {
  rows?: Range | undefined;
  columns?: Range | undefined;
}

const font = "'DejaVu Sans Mono',Menlo,Consolas,monospace";

export function drawMatrix(
  canvas: HTMLCanvasElement,
  frame: Frame,
  layer: Layer,
  names: readonly string[],
  theme: Theme,
  mark: Mark,
): void {
  const context = canvas.getContext("2d");
  if (context === null || frame.width === 0) return;
  const { left, top, width, height, cellWidth, cellHeight, scrollX, scrollY } = frame;
  const { view } = layer;
  const ink = inks[theme];
  const ratio = canvas.width / frame.width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = ink.ground;
  context.fillRect(0, 0, width, height);

  const columns = range(scrollX, width - left, cellWidth, view.outputs);
  const rows = range(scrollY, height - top, cellHeight, view.texts.length);
  const x = (output: number) => left + output * cellWidth - scrollX;
  const y = (position: number) => top + position * cellHeight - scrollY;

  context.save();
  context.beginPath();
  context.rect(left, top, width - left, height - top);
  context.clip();
  context.imageSmoothingEnabled = false;
  if (rows.to >= rows.from && columns.to >= columns.from)
    context.drawImage(
      bitmap(layer, theme, rows, columns),
      x(columns.from),
      y(rows.from),
      (columns.to - columns.from + 1) * cellWidth,
      (rows.to - rows.from + 1) * cellHeight,
    );
  if (cellWidth >= 10) {
    context.fillStyle = ink.ground;
    for (let output = columns.from; output <= columns.to; output++) context.fillRect(x(output) - 1, top, 1, height);
    for (let position = rows.from; position <= rows.to; position++) context.fillRect(left, y(position) - 1, width, 1);
  }
  if (cellWidth >= 44) figures(context, layer, theme, { rows, columns, x, y, frame });
  context.strokeStyle = ink.faint;
  context.setLineDash([4, 3]);
  context.beginPath();
  context.moveTo(left, y(view.promptLength) - 0.5);
  context.lineTo(x(view.outputs), y(view.promptLength) - 0.5);
  context.stroke();
  context.setLineDash([]);
  context.strokeStyle = ink.mark;
  context.lineWidth = 2;
  if (mark.rows !== undefined)
    context.strokeRect(
      x(0),
      y(mark.rows.from),
      view.outputs * cellWidth - 1,
      (mark.rows.to - mark.rows.from + 1) * cellHeight - 1,
    );
  if (mark.columns !== undefined)
    context.strokeRect(
      x(mark.columns.from),
      y(0),
      (mark.columns.to - mark.columns.from + 1) * cellWidth - 1,
      (view.promptLength + mark.columns.to) * cellHeight - 1,
    );
  context.restore();

  context.textBaseline = "middle";
  context.font = `12px ${font}`;
  const label = (name: string, marked: boolean) => {
    context.fillStyle = marked ? ink.mark : ink.text;
    return name.length > 17 ? `${[...name].slice(0, 16).join("")}…` : name;
  };
  context.save();
  context.beginPath();
  context.rect(0, top, left, height - top);
  context.clip();
  context.textAlign = "right";
  for (const position of every(rows, cellHeight, 12))
    context.fillText(
      label(names[position] as string, holds(mark.rows, position)),
      left - 8,
      y(position) + cellHeight / 2,
      left - 12,
    );
  context.restore();
  context.save();
  context.beginPath();
  context.rect(left - 10, 0, width - left + 10, top);
  context.clip();
  context.textAlign = "left";
  context.font = `11px ${font}`;
  for (const output of every(columns, cellWidth, 15)) {
    context.save();
    context.translate(x(output) + cellWidth / 2, top - 8);
    context.rotate(-Math.PI / 3.6);
    context.fillText(label(names[view.promptLength + output] as string, holds(mark.columns, output)), 0, 0);
    context.restore();
  }
  context.restore();
}

const holds = (range: Range | undefined, place: number) =>
  range !== undefined && place >= range.from && place <= range.to;

function range(scroll: number, room: number, cell: number, count: number): Range {
  return { from: Math.floor(scroll / cell), to: Math.min(count - 1, Math.floor((scroll + room) / cell)) };
}

/** Those of a range that have room for a label: all, or every second, third … */
function* every({ from, to }: Range, cell: number, room: number): Generator<number> {
  const step = Math.ceil(room / cell);
  for (let place = Math.ceil(from / step) * step; place <= to; place += step) yield place;
}

interface Visible {
  rows: Range;
  columns: Range;
  x: (output: number) => number;
  y: (position: number) => number;
  frame: Frame;
}

function figures(
  context: CanvasRenderingContext2D,
  layer: Layer,
  theme: Theme,
  { rows, columns, x, y, frame }: Visible,
) {
  const { all, view } = layer;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `10.5px ${font}`;
  for (let position = rows.from; position <= rows.to; position++)
    for (let output = columns.from; output <= columns.to; output++) {
      const value = layer.value(position, output);
      if (!precedes(view, position, output) || Number.isNaN(value)) continue;
      context.fillStyle = hex(textColourOn(colourOf(value / (all.largest || 1), all.signed, theme)));
      context.fillText(
        figure(value),
        x(output) + frame.cellWidth / 2,
        y(position) + frame.cellHeight / 2,
        frame.cellWidth - 4,
      );
    }
}

/** Colours per sign: more than a screen shows apart. */
const shades = 256;
const palettes = new Map<string, Uint32Array>();

/** A pixel for each shade from −1 to 1, and at the end that of cells which a filter hides. */
function palette(signed: boolean, theme: Theme): Uint32Array {
  const key = `${signed} ${theme}`;
  const known = palettes.get(key);
  if (known) return known;
  const colours = Array.from({ length: 2 * shades + 1 }, (_, i) => colourOf(i / shades - 1, signed, theme));
  const bytes = Uint8ClampedArray.from([...colours, rgb(inks[theme].hidden)].flatMap((colour) => [...colour, 255]));
  const pixels = new Uint32Array(bytes.buffer);
  palettes.set(key, pixels);
  return pixels;
}

/** A pixel for each cell that can be seen; transparent where a position does not come before the output. */
function bitmap({ all, shown, view }: Layer, theme: Theme, rows: Range, columns: Range): OffscreenCanvas {
  const { outputs, promptLength } = view;
  const [width, height] = [columns.to - columns.from + 1, rows.to - rows.from + 1];
  const colours = palette(all.signed, theme);
  const content = new ImageData(width, height);
  const pixels = new Uint32Array(content.data.buffer);
  const perScore = shades / (all.largest || 1);
  for (let position = rows.from; position <= rows.to; position++)
    for (let output = Math.max(columns.from, position + 1 - promptLength); output <= columns.to; output++) {
      const value = shown.values[position * outputs + output] as number;
      const shade = Number.isNaN(value) ? colours.length - 1 : Math.round(value * perScore) + shades;
      pixels[(position - rows.from) * width + output - columns.from] = colours[shade] as number;
    }
  const image = new OffscreenCanvas(width, height);
  image.getContext("2d")?.putImageData(content, 0, 0);
  return image;
}
