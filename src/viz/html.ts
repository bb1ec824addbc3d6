import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { packageRoot } from "../install/package.js";
import type { NativeDocument } from "../storage/schema.js";
import { escapeMarkup, pageHead } from "./markup.js";
import type { Theme } from "./scale.js";
import { shorten, visible } from "./text.js";
import type { PictureNormalisation } from "./view.js";

export interface HtmlOptions {
  /** Default: as the reader's system; the page has a switch. */
  theme?: Theme | undefined;
  /** What the page begins with. Default: "inseq", each output's sizes sum to 1. */
  normalisation?: PictureNormalisation | undefined;
  /** Of the window. Default: the prompt. */
  title?: string | undefined;
}

const style =
  "html,body,main{margin:0;height:100%}token-lens{min-height:100%}h1{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%)}";

/**
 * A page by itself: it loads nothing, and its own Content-Security-Policy forbids it to, and to run any script but the
 * one of src/viz/page, by its digest. Under a server's policy it needs what that <meta> says.
 * @throws ERR_TOKENLENSE_FILE where that script was not built.
 */
export function toHtml(documents: readonly NativeDocument[], options: HtmlOptions = {}): string {
  const script = bundle();
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "img-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const title = options.title ?? documents.map(({ metadata }) => metadata.prompt).join(", ");
  const heading = visible(shorten(title, 120));
  const attributes = Object.entries({ theme: options.theme, normalisation: options.normalisation })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escapeMarkup(String(value))}"`);
  return [
    ...pageHead({ title: heading, policy, style }),
    `<main><h1>${escapeMarkup(heading)}</h1><token-lens${attributes.join("")}><noscript>This page draws its picture by JavaScript, which is switched off.</noscript></token-lens></main>`,
    `<script type="application/json" id="tokenlense-results">${inScript(documents)}</script>`,
    `<script>${script}</script>`,
    "</html>\n",
  ].join("\n");
}

/** The page in a frame of its own: for a notebook, whose cells share one page. `height` in CSS pixels. */
export function inFrame(html: string, height: number): string {
  const box = `width:100%;height:${height}px;border:0;resize:vertical`;
  return `<iframe srcdoc="${escapeMarkup(html)}" sandbox="allow-scripts allow-downloads" title="TokenLense" style="${box}"></iframe>`;
}

let known: string | undefined;

function bundle(): string {
  if (known !== undefined) return known;
  const file = join(packageRoot(), "dist", "viz", "page.bundle.js");
  try {
    // As it stands between tags, an end tag in it would end it.
    known = readFileSync(file, "utf8").trim().replaceAll("</script", "<\\/script");
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `The page's script is missing: ${file}`, {
      hint: "In a clone of the repository `npm run build` makes it.",
      cause,
    });
  }
  return known;
}

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** JSON that no browser takes for a tag. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}
