import { writeFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { reason } from "../storage/files.js";
import { toPng, toSvg, type VisualizeOptions, visualize } from "./visualize.js";

type Draw = (results: readonly Attribution[], options: PictureOptions) => string | Promise<string | Uint8Array>;

interface PictureOptions extends VisualizeOptions {
  signal?: AbortSignal | undefined;
}

const formats: Record<string, Draw> = {
  ".html": (results, options) => visualize(results, options).html,
  ".svg": toSvg,
  ".png": toPng,
};

/** @throws ERR_TOKENLENSE_INPUT for a file whose ending stands for no format. */
export function pictureFormat(file: string): Draw {
  const draw = formats[extname(file).toLowerCase()];
  if (draw) return draw;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `No picture can be written as ${file}.`, {
    hint: `Its name says the format: ${Object.keys(formats).join(", ")}.`,
  });
}

/**
 * Draws results into a file, in the format that its name ends with, and gives its full path. A file of that name is
 * replaced.
 * @throws ERR_TOKENLENSE_INPUT for another format, _DISK, _CANCELLED, _DISPOSED.
 */
export async function savePicture(
  results: readonly Attribution[],
  file: string,
  options: PictureOptions = {},
): Promise<string> {
  const path = resolve(file);
  const content = await pictureFormat(file)(results, options);
  await writeFile(path, content).catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", `The picture could not be stored: ${reason(cause)}`, {
      hint: "Make room, or choose a folder that exists.",
      cause,
    });
  });
  return path;
}
