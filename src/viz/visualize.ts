import { inspect } from "node:util";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import type { NativeDocument } from "../storage/schema.js";
import { compareViews, type PairAgreement } from "./agreement.js";
import { renderComparison } from "./comparison.js";
import { type HtmlOptions, inFrame, toHtml } from "./html.js";
import { rasterise } from "./png.js";
import { drawSvg, type SvgOptions } from "./svg.js";
import { renderTable } from "./table.js";
import { shown, viewOf } from "./view.js";

type Results = Attribution | readonly Attribution[];

/**
 * Heat maps as SVG, one under another: tokens down, outputs across, legend, title, and the numbers where there is room
 * (16 outputs and 60 tokens at most). It loads nothing; its fonts are the viewer's.
 * @throws ERR_TOKENLENSE_INPUT for no result at all or an unknown normalisation, ERR_TOKENLENSE_DISPOSED.
 */
export function toSvg(results: Results, options: SvgOptions = {}): string {
  return drawSvg(documentsOf(results).map(viewOf), options);
}

export interface PngOptions extends SvgOptions {
  /** Pixels for each of the SVG's. Default: 2, less for pictures beyond 67 million pixels. */
  scale?: number | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The same as PNG, drawn off the main thread. Fonts are DejaVu's, which come with this package, then the system's:
 * Chinese, Japanese, Korean and Indic texts and emoji need a font installed (on Debian: fonts-noto-cjk, fonts-noto-core).
 * A character that no font has becomes a box.
 * @throws as `toSvg`, and ERR_TOKENLENSE_INPUT for a scale of 0 or beyond 16, ERR_TOKENLENSE_CANCELLED.
 */
export async function toPng(results: Results, options: PngOptions = {}): Promise<Uint8Array> {
  return rasterise(toSvg(results, options), options);
}

/**
 * How far results agree, each pair of them: Pearson's and Spearman's correlation of their scores and the overlap of the
 * most important tokens, for each output and in the mean, over the outputs and tokens that both have (by their longest
 * common subsequence).
 * @param options.topK How many of an output's tokens count as the most important. Default: 3.
 * @throws ERR_TOKENLENSE_INPUT for fewer than two results or a `topK` below 1, ERR_TOKENLENSE_DISPOSED.
 */
export function compare(results: readonly Attribution[], options: { topK?: number | undefined } = {}): PairAgreement[] {
  const { topK = 3 } = options;
  if (!Number.isInteger(topK) || topK < 1)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "topK: give a whole number, 1 or more.");
  if (results.length < 2)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is nothing to compare.", {
      hint: "Give two results or more.",
    });
  return compareViews(documentsOf(results).map(viewOf), topK);
}

export interface VisualizeOptions extends HtmlOptions {
  /** Of the frame in a notebook, CSS pixels. Default: 640. */
  height?: number | undefined;
}

/** Pictures of results. Printed, it is the terminal's view. */
export interface Visualization {
  /** An interactive page in one file, which loads nothing. */
  readonly html: string;
  /** As `toSvg` draws it, in the same theme and normalisation. */
  readonly svg: string;
  /** A table, of several results their comparison; 80 columns, no colours. */
  toString(): string;
}

/**
 * Pictures of one result, or of several side by side. Notebooks whose kernel is JavaScript show it by themselves where
 * it is a cell's last value: Deno by its hook `Jupyter.display`, tslab as it prints the value. The page then lies in a
 * frame of its own.
 * @param results They may be disposed of afterwards.
 * @throws ERR_TOKENLENSE_INPUT for no result at all or an unknown normalisation, ERR_TOKENLENSE_DISPOSED.
 */
export function visualize(results: Results, options: VisualizeOptions = {}): Visualization {
  const list = listed(results);
  const documents = documentsOf(list);
  const views = documents.map(viewOf);
  for (const view of views) shown(view, options.normalisation ?? "inseq");
  const [first] = list;
  const columns = 80;
  const text =
    list.length === 1 && first ? renderTable(first, { columns }) : renderComparison(list, { columns, level: 0 });
  const html = () => toHtml(documents, options);
  const frame = () => inFrame(html(), options.height ?? 640);
  const hooks = {
    [Symbol.for("Jupyter.display")]: () => ({ "text/plain": text, "text/html": frame() }),
    [inspect.custom]: () => {
      const display = tslabDisplay();
      if (display === undefined) return text;
      display.html(frame());
      return `${documents.length === 1 ? "A picture" : "Pictures"}, above.`;
    },
  };
  return {
    get html() {
      return html();
    },
    get svg() {
      return drawSvg(views, options);
    },
    toString: () => text,
    ...hooks,
  };
}

/** tslab prints a cell's last value by console.log, and shows what its own module `tslab` is told to. */
function tslabDisplay(): { html: (html: string) => void } | undefined {
  const { __tslab__: kernel } = globalThis as { __tslab__?: { require?: (name: string) => unknown } };
  return (kernel?.require?.("tslab") as { display?: { html: (html: string) => void } } | undefined)?.display;
}

function listed(results: Results): readonly Attribution[] {
  const list = "tokens" in results ? [results] : results;
  if (list.length === 0) throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is no result to draw.");
  return list;
}

function documentsOf(results: Results): NativeDocument[] {
  return listed(results).map((result) => result.toJSON());
}
