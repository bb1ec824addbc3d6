import type { Theme } from "../scale.js";
import { drawSvg } from "../svg.js";
import type { PictureNormalisation } from "../view.js";
import type { Board } from "./board.js";
import { download, make } from "./dom.js";

const normalisations: [PictureNormalisation, string][] = [
  ["inseq", "share of each output"],
  ["raw", "raw scores"],
  ["tokenlense", "TokenLense's min–max"],
];

/** What all views of a page obey, and what can be taken from it. */
export function toolbar(
  board: Board,
  system: MediaQueryList,
  theme: Theme | undefined,
  left: AbortSignal,
): HTMLElement {
  const { settings } = board;
  const scores = select(normalisations, settings.normalisation, (normalisation) => board.set({ normalisation }));
  const strength = make("input", { type: "range", min: "0", max: "100", value: "0" });
  const strengthText = make("span", {}, "all");
  strength.addEventListener("input", () => {
    strengthText.textContent = strength.value === "0" ? "all" : `from ${strength.value} %`;
    board.set({ strength: Number(strength.value) / 100 });
  });
  const top = make("input", { type: "number", min: "0", step: "1", value: "0" });
  top.addEventListener("input", () => board.set({ topK: Math.max(0, Math.floor(Number(top.value) || 0)) }));

  let chosen: Theme | "system" = theme ?? "system";
  const apply = () => board.set({ theme: chosen === "system" ? (system.matches ? "dark" : "light") : chosen });
  system.addEventListener("change", apply, { signal: left });
  const themes = select<Theme | "system">(
    [
      ["system", "as the system"],
      ["light", "light"],
      ["dark", "dark"],
    ],
    chosen,
    (value) => {
      chosen = value;
      apply();
    },
  );
  const steps = [...new Set(board.views.flatMap(({ document }) => Object.keys(document.data.step_scores ?? {})))];
  const step = select(
    steps.map((name) => [name, name]),
    steps[0] ?? "",
    (name) => board.set({ step: name }),
  );
  return make(
    "form",
    { class: "toolbar", "aria-label": "What is shown" },
    make("label", {}, make("span", {}, "Scores"), scores),
    make("label", {}, make("span", {}, "Strength: ", strengthText), strength),
    make("label", {}, make("span", {}, "Top k (0: all)"), top),
    ...(steps.length > 1 ? [make("label", {}, make("span", {}, "Under outputs"), step)] : []),
    make("label", {}, make("span", {}, "Colours"), themes),
    make("div", { class: "buttons", role: "group", "aria-label": "Save as" }, ...exports(board)),
  );
}

function exports(board: Board): HTMLButtonElement[] {
  const { views, settings } = board;
  const name = views.map(({ document }) => document.metadata.attribution_method ?? "result").join("-");
  const picture = () => drawSvg(views, { theme: settings.theme, normalisation: settings.normalisation });
  const button = (title: string, act: () => void) => {
    const element = make("button", { type: "button" }, title);
    element.addEventListener("click", act);
    return element;
  };
  return [
    button("SVG", () => download(`${name}.svg`, new Blob([picture()], { type: "image/svg+xml" }))),
    button("PNG", () => void savePng(`${name}.png`, picture())),
    button("JSON", () => {
      const documents = views.map(({ document }) => document);
      const json = JSON.stringify(documents.length === 1 ? documents[0] : documents);
      download(`${name}.json`, new Blob([`${json}\n`], { type: "application/json" }));
    }),
  ];
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

function select<Value extends string>(
  options: readonly (readonly [Value, string])[],
  value: Value,
  change: (value: Value) => void,
): HTMLSelectElement {
  const element = make(
    "select",
    {},
    ...options.map(([name, title]) => make("option", { value: name, selected: name === value }, title)),
  );
  element.addEventListener("change", () => change(element.value as Value));
  return element;
}
