import { drawSvg } from "../svg.js";
import type { Board } from "./board.js";
import { tableToCopy, textToCopy, toClipboard } from "./copy.js";
import { download, make } from "./dom.js";

/** Buttons that copy what is shown, or save it as a file. */
export function takeaways(board: Board): HTMLElement {
  const { documents } = board;
  const name = documents.map(({ metadata }) => metadata.attribution_method ?? "result").join("-");
  const picture = () => drawSvg(board.views, { theme: board.theme, normalisation: board.settings.normalisation });
  const said = make("output", { class: "said" });
  const refused = make(
    "dialog",
    { "aria-label": "To copy" },
    make("p", {}, "The browser keeps pages from the clipboard. Copy this by hand; Escape closes it."),
    make("textarea", { readonly: true, rows: "12", cols: "60", "aria-label": "Text to copy" }),
  );
  refused.addEventListener("keydown", (event) => event.stopPropagation()); // its Escape releases nothing
  const copy = async (what: string, text: string) => {
    const done = await toClipboard(text, said);
    said.textContent = done ? `${what} copied` : "";
    if (done) return;
    const area = refused.querySelector("textarea") as HTMLTextAreaElement;
    area.value = text;
    refused.showModal();
    area.select();
  };
  const buttons: readonly (readonly [string, string, () => unknown])[] = [
    ["Copy text", "What is pinned, or all of it", () => copy("Text", textToCopy(board))],
    ["Copy TSV", "The scores, for a spreadsheet", () => copy("Scores", tableToCopy(board))],
    ["SVG", "Save as SVG", () => download(`${name}.svg`, new Blob([picture()], { type: "image/svg+xml" }))],
    ["PNG", "Save as PNG", () => savePng(`${name}.png`, picture())],
    [
      "JSON",
      "Save the result as JSON",
      () => {
        const json = JSON.stringify(documents.length === 1 ? documents[0] : documents);
        download(`${name}.json`, new Blob([`${json}\n`], { type: "application/json" }));
      },
    ],
  ];
  return make(
    "div",
    { class: "buttons", role: "group", "aria-label": "Copy and save" },
    ...buttons.map(([text, title, act]) => {
      const button = make("button", { type: "button", title }, text);
      button.addEventListener("click", () => void act());
      return button;
    }),
    said,
    refused,
  );
}

async function savePng(name: string, svg: string): Promise<void> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  const image = new Image();
  image.src = address;
  await image.decode().finally(() => URL.revokeObjectURL(address));
  // Browsers refuse canvases beyond these sizes.
  const scale = Math.min(
    2,
    16_000 / Math.max(image.width, image.height),
    Math.sqrt(1e8 / (image.width * image.height)),
  );
  const canvas = make("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => {
    if (blob) download(name, blob);
  }, "image/png");
}
