import { basename, extname } from "node:path";
import { pathToFileURL } from "node:url";
import type { Attribution } from "../result.js";
import { load } from "../storage/results.js";
import { colourLevel, columnsOf } from "../viz/colour.js";
import { renderComparison } from "../viz/comparison.js";
import { pictureFormat, savePicture } from "../viz/save.js";
import type { Theme } from "../viz/scale.js";
import type { PictureNormalisation } from "../viz/view.js";
import { compare } from "../viz/visualize.js";
import { interruptible } from "./session.js";

export interface VisualizeFlags {
  output?: string;
  normalisation: PictureNormalisation;
  theme?: Theme;
  open?: true;
  json?: true;
}

/** `tokenlense visualize`: draws results into a file, and opens it where that is asked for. */
export async function visualizeCommand(files: readonly string[], flags: VisualizeFlags): Promise<void> {
  const [first = ""] = files;
  const output = flags.output ?? `${basename(first, extname(first))}.html`;
  pictureFormat(output); // before results are read
  const { normalisation, theme } = flags;
  const file = await interruptible(async (signal) =>
    savePicture(await loadAll(files), output, { normalisation, theme, signal }),
  );
  process.stdout.write(flags.json ? `${JSON.stringify({ file })}\n` : `Drawn in ${file}\n`);
  if (flags.open) {
    const { default: open } = await import("open");
    await open(pathToFileURL(file).href);
  }
}

export interface CompareFlags {
  topK: number;
  html?: string;
  json?: true;
}

/** `tokenlense compare`: results side by side and how far they agree, on the terminal and as a page. */
export async function compareCommand(files: readonly string[], flags: CompareFlags): Promise<void> {
  const { topK, html } = flags;
  if (html !== undefined) pictureFormat(html);
  const results = await loadAll(files);
  const pairs = compare(results, { topK });
  const page = html === undefined ? undefined : await savePicture(results, html);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ files, pairs, ...(page && { page }) })}\n`);
    return;
  }
  const [columns, level] = [columnsOf(process.stdout, process.env), colourLevel(process.stdout, process.env)];
  process.stdout.write(`${renderComparison(results, { columns, level, topK })}\n${page ? `\nDrawn in ${page}\n` : ""}`);
}

function loadAll(files: readonly string[]): Promise<Attribution[]> {
  return Promise.all(files.map((file) => load(file)));
}
