import { escapeMarkup } from "./markup.js";
import { colourOf, hex, type Ink, inks, type Rgb, type Theme, textColourOn } from "./scale.js";
import { figure, shorten, visible, width } from "./text.js";
import { facts, type PictureNormalisation, precedes, type Shown, shown, type View } from "./view.js";

export interface SvgOptions {
  /** The ground that the picture is for. Default: "light". */
  theme?: Theme | undefined;
  /** Default: "inseq", each output's sizes sum to 1. "raw" compares outputs with each other. */
  normalisation?: PictureNormalisation | undefined;
  /** Default: the prompt. */
  title?: string | undefined;
}

const fonts = "'DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono','Noto Sans Mono CJK SC',monospace";
/** Of the fonts above at 12 px; others have their text squeezed or stretched by little. */
const columnWidth = 7.23;
const margin = 20;
/** Above the token labels: title and facts. */
const head = 62;
const legend = { width: 240, height: 12, room: 52 };
/** Colours that cells are drawn in, per sign: more cannot be told apart, and a path each keeps large pictures small. */
const shades = 40;

/** Heat maps, one under another. */
export function drawSvg(views: readonly View[], options: SvgOptions = {}): string {
  const theme = options.theme ?? "light";
  const ink = inks[theme];
  const maps = views.map((view) => heatMap(view, shown(view, options.normalisation ?? "inseq"), theme, options));
  const wide = Math.ceil(Math.max(...maps.map((map) => map.width)));
  const high = Math.ceil(maps.reduce((sum, map) => sum + map.height, 0));
  let y = 0;
  const placed = maps.map(({ content, height }) => {
    const group = `<g transform="translate(0 ${rounded(y)})">${content}</g>`;
    y += height;
    return group;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${high}" viewBox="0 0 ${wide} ${high}" role="img" font-family="${fonts}" font-size="12">`,
    `<title>${escaped(views.map((view) => titleOf(view, options)).join(", "))}</title>`,
    `<rect width="100%" height="100%" fill="${ink.ground}"/>`,
    ...placed,
    "</svg>\n",
  ].join("\n");
}

interface Drawing {
  width: number;
  height: number;
  content: string;
}

function heatMap(view: View, scale: Shown, theme: Theme, options: SvgOptions): Drawing {
  const { texts, promptLength, outputs } = view;
  const ink = inks[theme];
  const names = texts.map((text) => shorten(named(text), 24));
  // Few outputs leave room for the numbers.
  const spacious = outputs <= 16 && texts.length <= 60;
  const cell = { width: spacious ? 54 : 16, height: spacious ? 24 : 14 };
  const labels = Math.max(...names.map(width)) * columnWidth;
  const slant = Math.max(...names.slice(promptLength).map(width)) * columnWidth * Math.SQRT1_2;
  const steps = spacious ? Object.entries(view.stepScores) : [];
  const stepLabels = Math.max(0, ...steps.map(([name]) => width(name) + 2)) * columnWidth;
  const left = margin + Math.max(labels, stepLabels) + 8;
  const top = head + slant + 18;
  const [wide, high] = [outputs * cell.width, texts.length * cell.height];
  const bottom = top + high + (steps.length > 0 ? 8 + steps.length * 20 : 0);

  const rows = names.map((name, position) =>
    label(name, left - 8, top + (position + 0.5) * cell.height, ink.text, 'text-anchor="end"'),
  );
  const columns = names.slice(promptLength).map((name, output) => {
    const [x, y] = [left + (output + 0.5) * cell.width, top - 8];
    const size = spacious ? 12 : 11;
    return label(name, x, y, ink.text, `transform="rotate(-45 ${rounded(x)} ${rounded(y)})" font-size="${size}"`);
  });
  const scores = steps.flatMap(([name, values], row) => {
    const y = top + high + 18 + row * 20;
    return [
      label(`(${name})`, left - 8, y, ink.faint, 'text-anchor="end"'),
      ...Array.from(values, (value, output) =>
        label(figure(value), left + (output + 0.5) * cell.width, y, ink.faint, 'text-anchor="middle" font-size="11"'),
      ),
    ];
  });
  const border = top + promptLength * cell.height;
  const heading = titleOf(view, options);
  const told = shorten(facts(view).join(" · "), 110);
  const room = Math.max(left + wide + slant, margin + width(told) * columnWidth);
  return {
    width: room + margin,
    height: bottom + legend.room + margin,
    content: [
      label(
        shorten(heading, Math.floor((room - margin) / 9.1)),
        margin,
        26,
        ink.text,
        'font-size="15" font-weight="bold"',
      ),
      label(told, margin, 48, ink.faint, ""),
      ...columns,
      ...rows,
      cells(view, scale, theme, { left, top, ...cell, figures: spacious }),
      `<path d="M${rounded(left)} ${rounded(border)}h${wide}" stroke="${ink.line}" stroke-dasharray="4 3" fill="none"/>`,
      ...scores,
      key(scale, theme, ink, options.normalisation ?? "inseq", bottom + 22),
    ].join("\n"),
  };
}

interface Grid {
  left: number;
  top: number;
  width: number;
  height: number;
  figures: boolean;
}

function cells(view: View, scale: Shown, theme: Theme, grid: Grid): string {
  const { texts, outputs } = view;
  const paths = new Map<number, string[]>();
  const figures: string[] = [];
  texts.forEach((_, position) => {
    for (let output = 0; output < outputs; output++) {
      if (!precedes(view, position, output)) continue;
      const value = scale.values[position * outputs + output] as number;
      const shade = scale.largest > 0 ? Math.round((value / scale.largest) * shades) : 0;
      const [x, y] = [grid.left + output * grid.width, grid.top + position * grid.height];
      const path = paths.get(shade) ?? [];
      paths.set(shade, path);
      path.push(`M${rounded(x)} ${rounded(y)}h${grid.width - 1}v${grid.height - 1}h${1 - grid.width}z`);
      if (!grid.figures) continue;
      const ink = hex(textColourOn(colour(shade, scale, theme)));
      const middle = [x + (grid.width - 1) / 2, y + grid.height / 2] as const;
      figures.push(label(figure(value), ...middle, ink, 'text-anchor="middle" font-size="10.5"'));
    }
  });
  const drawn = [...paths].map(
    ([shade, path]) => `<path fill="${hex(colour(shade, scale, theme))}" d="${path.join("")}"/>`,
  );
  return [...drawn, ...figures].join("\n");
}

function colour(shade: number, { signed }: Shown, theme: Theme): Rgb {
  return colourOf(shade / shades, signed, theme);
}

const meanings: Record<PictureNormalisation, string> = {
  raw: "scores",
  inseq: "share of each output",
  rescale: "share of the largest score",
  tokenlense: "min–max over the outputs, for each token",
};

/** The legend: which colour stands for what. */
function key({ largest, signed }: Shown, theme: Theme, ink: Ink, by: PictureNormalisation, y: number): string {
  const steps = 48;
  const bars = Array.from({ length: steps }, (_, i) => {
    const share = i / (steps - 1);
    const fill = hex(colourOf(signed ? 2 * share - 1 : share, signed, theme));
    const x = margin + (i * legend.width) / steps;
    return `<rect x="${rounded(x)}" y="${rounded(y)}" width="${rounded(legend.width / steps + 0.5)}" height="${legend.height}" fill="${fill}"/>`;
  });
  const low = signed ? figure(-largest) : "0";
  const below = y + legend.height + 12;
  return [
    ...bars,
    label(low, margin, below, ink.faint, 'font-size="11"'),
    label(figure(largest), margin + legend.width, below, ink.faint, 'text-anchor="end" font-size="11"'),
    label(meanings[by], margin + legend.width + 14, y + legend.height / 2, ink.faint, 'font-size="11"'),
  ].join("\n");
}

function titleOf({ document }: View, { title }: SvgOptions): string {
  return visible(title ?? document.metadata.prompt);
}

/** A token as an axis names it: spaces can be seen. */
export function named(text: string): string {
  return visible(text).replaceAll(" ", "␣");
}

function label(text: string, x: number, y: number, fill: string, more: string): string {
  return `<text x="${rounded(x)}" y="${rounded(y)}" dy=".35em" fill="${fill}" ${more}>${escaped(text)}</text>`;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

/** For XML, which has no place for two of Unicode's codes at all; controls were made visible before. */
function escaped(text: string): string {
  return escapeMarkup(text).replaceAll(/[\ufffe\uffff]/g, "\ufffd");
}
