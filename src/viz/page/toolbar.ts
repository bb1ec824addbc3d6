import type { PictureNormalisation } from "../view.js";
import type { Board, Colours, Settings } from "./board.js";
import { make } from "./dom.js";
import { takeaways } from "./takeaways.js";

const normalisations: [PictureNormalisation, string][] = [
  ["inseq", "share of each output"],
  ["raw", "raw scores"],
  ["rescale", "share of the largest"],
  ["tokenlense", "TokenLense's min–max"],
];

/** What all views of a page obey, and what can be taken from it. */
export function toolbar(board: Board): HTMLElement {
  const steps = [...new Set(board.tokenViews.flatMap(({ stepScores }) => Object.keys(stepScores)))];
  const strengthText = make("span");
  const controls = [
    select(
      board,
      "Scores",
      normalisations,
      ({ normalisation }) => normalisation,
      (normalisation) => ({ normalisation }),
    ),
    strengthSlider(board, strengthText),
    topInput(board),
    ...(board.hasWords
      ? [
          select(
            board,
            "Unit",
            [
              ["token", "tokens"],
              ["word", "words"],
            ] as const,
            ({ unit }) => unit,
            (unit) => ({ unit }),
          ),
        ]
      : []),
    ...(steps.length > 1
      ? [
          select(
            board,
            "Under outputs",
            steps.map((name) => [name, name] as const),
            ({ step }) => (step !== null && steps.includes(step) ? step : (steps[0] as string)),
            (step) => ({ step }),
          ),
        ]
      : []),
    cloudBox(board),
    select<Colours>(
      board,
      "Colours",
      [
        ["system", "as the system"],
        ["light", "light"],
        ["dark", "dark"],
      ],
      ({ colours }) => colours,
      (colours) => ({ colours }),
      "host-may",
    ),
  ];
  const form = make("form", { class: "toolbar", "aria-label": "What is shown" }, ...controls, takeaways(board));
  // Enter in a field would load the host's page anew.
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

/** Shows a setting now and whenever it changes, by whomever. */
function follow(board: Board, show: (settings: Settings) => void): void {
  board.watch((changes) => {
    if (changes.has("settings")) show(board.settings);
  });
  show(board.settings);
}

function strengthSlider(board: Board, text: HTMLElement): HTMLElement {
  const slider = make("input", { type: "range", min: "0", max: "100" });
  slider.addEventListener("input", () => board.set({ strength: Number(slider.value) / 100 }));
  follow(board, ({ strength }) => {
    const percent = String(Math.round(100 * strength));
    if (slider.value !== percent) slider.value = percent;
    text.textContent = percent === "0" ? "all" : `from ${percent} %`;
  });
  return make("label", {}, make("span", {}, "Strength: ", text), slider);
}

function topInput(board: Board): HTMLElement {
  const input = make("input", { type: "number", min: "0", step: "1", value: "0" });
  const read = () => Math.max(0, Math.floor(Number(input.value) || 0));
  input.addEventListener("input", () => board.set({ topK: read() }));
  follow(board, ({ topK }) => {
    if (read() !== topK) input.value = String(topK);
  });
  return make("label", {}, make("span", {}, "Top k (0: all)"), input);
}

function cloudBox(board: Board): HTMLElement {
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => board.set({ cloud: box.checked }));
  follow(board, ({ cloud }) => {
    box.checked = cloud;
  });
  return make("label", {}, make("span", {}, "Cloud"), box);
}

function select<Value extends string>(
  board: Board,
  title: string,
  options: readonly (readonly [Value, string])[],
  read: (settings: Settings) => Value,
  change: (value: Value) => Partial<Settings>,
  kind = "",
): HTMLElement {
  const element = make("select", {}, ...options.map(([value, name]) => make("option", { value }, name)));
  element.addEventListener("change", () => board.set(change(element.value as Value)));
  follow(board, (settings) => {
    element.value = read(settings);
  });
  return make("label", { class: kind }, make("span", {}, title), element);
}
