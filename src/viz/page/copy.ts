import { named } from "../svg.js";
import { precedes, shown, type View } from "../view.js";
import type { Board } from "./board.js";
import { make } from "./dom.js";

/** The text of what is pinned, else all text, that of several results in paragraphs. */
export function textToCopy({ pinned, views }: Board): string {
  if (pinned === undefined) return views.map(({ texts }) => texts.join("")).join("\n\n");
  return (views[pinned.result]?.texts ?? []).slice(pinned.position, pinned.end).join("");
}

/**
 * Tables for a spreadsheet, tab-separated: a row for each token or word, a column for each output, step scores below; in
 * the scale that is shown, in seven digits, unfiltered. Cells without a score are empty.
 */
export function tableToCopy({ views, settings }: Board): string {
  return views.map((view) => table(view, shown(view, settings.normalisation).values)).join("\n");
}

function table(view: View, values: Float32Array): string {
  const { texts, promptLength, outputs } = view;
  const number = (value: number | undefined) => String(Number((value ?? 0).toPrecision(7)));
  const columns = Array.from({ length: outputs }, (_, output) => output);
  const rows = [
    ["", ...texts.slice(promptLength).map(cell)],
    ...texts.map((text, position) => [
      cell(text),
      ...columns.map((output) => (precedes(view, position, output) ? number(values[position * outputs + output]) : "")),
    ]),
    ...Object.entries(view.stepScores).map(([name, scores]) => [
      `(${name})`,
      ...columns.map((output) => number(scores[output])),
    ]),
  ];
  return rows.map((row) => `${row.join("\t")}\n`).join("");
}

/** A token as spreadsheets take for text: quoted where it has quotes, and never as a formula. */
function cell(text: string): string {
  const name = named(text).replace(/^[=+\-@]/, "'$&");
  return name.includes('"') ? `"${name.replaceAll('"', '""')}"` : name;
}

/** Puts a text on the clipboard; false where the browser refuses. */
export async function toClipboard(text: string, near: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages without a secure origin, and frames that may not write, still have the older way.
    const area = make("textarea", { class: "spoken", readonly: true, "aria-label": "Text to copy" });
    area.value = text;
    near.append(area);
    const focused = (near.getRootNode() as ShadowRoot | Document).activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}
