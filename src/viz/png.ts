import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { cancelled, throwIfCancelled } from "../task.js";

/** Enough for a heat map of 400 × 200 at twice its size; more would take gigabytes. */
const mostPixels = 1 << 26;

/**
 * An SVG of {@link drawSvg} as PNG, off the main thread.
 *
 * Fonts are DejaVu's, which come with this package (Latin, Greek, Cyrillic, Arabic, Hebrew and more), then the system's:
 * Chinese, Japanese, Korean and Indic texts and emoji need a font of theirs installed (on Debian: fonts-noto-cjk,
 * fonts-noto-core). A character that no font has becomes a box, and others of its label that DejaVu lacks with it.
 *
 * @param options.scale Pixels for each of the SVG's. Default: 2, less for pictures beyond 67 million pixels.
 * @throws ERR_TOKENLENSE_INPUT for a scale that is not positive, ERR_TOKENLENSE_CANCELLED.
 */
export async function rasterise(
  svg: string,
  options: { scale?: number | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  const { scale = 2, signal } = options;
  if (!(scale > 0 && scale <= 16))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "scale: give 16 or less, above 0.");
  throwIfCancelled(signal); // the renderer listens to later ones alone
  const { renderAsync } = await import("@resvg/resvg-js");
  const [, width = 1, height = 1] = (/width="(\d+)" height="(\d+)"/.exec(svg) ?? []).map(Number);
  const most = Math.min(Math.sqrt(mostPixels / (width * height)), 32_000 / Math.max(width, height));
  const folder = join(dirname(createRequire(import.meta.url).resolve("dejavu-fonts-ttf/package.json")), "ttf");
  try {
    const image = await renderAsync(
      svg,
      {
        fitTo: { mode: "zoom", value: Math.min(scale, most) },
        font: {
          fontFiles: ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSans.ttf"].map((name) =>
            join(folder, name),
          ),
          loadSystemFonts: true,
          defaultFontFamily: "DejaVu Sans Mono",
          monospaceFamily: "DejaVu Sans Mono",
        },
      },
      signal ?? null,
    );
    return image.asPng();
  } catch (cause) {
    throw signal?.aborted ? cancelled(signal) : cause;
  }
}
