import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import type { NativeDocument } from "../src/index.js";
import { packageRoot } from "../src/install/package.js";
import { launchChromium } from "../tests/viz/chromium.js";

// How smoothly a page of 1,000 tokens follows its reader: `npm run frames` scrolls, filters, points and zooms in Chromium, and
// prints the times between frames. Made-up scores, as only their number counts.

const [prompt, outputs] = [600, 400];

function documentOf(): NativeDocument {
  const pieces = ["Ġthe", "Ġattribut", "ion", "Ġof", "Ġto", "kens", "Ġleans", "Ġon", "Ġthis", ","];
  const entry = (_: unknown, i: number) => {
    const token = pieces[i % pieces.length] as string;
    const text = token.replace("Ġ", " ");
    return { token, token_id: i, clean_token: text.trim(), text };
  };
  const matrix = Array.from({ length: outputs }, (_, output) =>
    Array.from({ length: prompt + output }, (_, position) => Math.abs(Math.sin(position * 12.9 + output * 78.2)) ** 3),
  );
  return {
    metadata: {
      timestamp: "2026-01-01T00:00:00Z",
      llm_id: "made-up",
      llm_version: "made-up",
      prompt: "1,000 tokens",
      attribution_method: "saliency",
      generation_params: {},
      version: "1.1.0",
    },
    data: {
      input_tokens: Array.from({ length: prompt }, entry),
      output_tokens: Array.from({ length: outputs }, entry),
      association_matrix: matrix,
      attribution_source: "combined",
      step_scores: { probability: Array.from({ length: outputs }, (_, i) => 1 / (1 + (i % 7))) },
    },
  };
}

/** Runs in the page: the milliseconds between frames while `act` is called in each. */
const recorder = `globalThis.record = (count, act) => new Promise((done) => {
  const root = document.querySelector("token-lens").shadowRoot;
  const times = [];
  let [last, n] = [undefined, 0];
  const frame = (now) => {
    if (last !== undefined) times.push(now - last);
    last = now;
    if (n === count) return done(times);
    act(root, n++);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
});`;

const actions: readonly (readonly [name: string, act: string])[] = [
  ["at rest", "() => {}"],
  ["scroll the text", '(root, n) => { root.querySelector(".tokens").scrollTop = 12 * n; }'],
  [
    "scroll the heat map",
    '(root, n) => { const pane = root.querySelector(".matrix"); pane.scrollTop = 40 * n; pane.scrollLeft = 20 * n; }',
  ],
  ["scroll the page", "(_, n) => scrollTo(0, 10 * n)"],
  [
    "change the strength",
    '(root, n) => { const slider = root.querySelector(".toolbar input[type=range]"); slider.value = n % 100; slider.dispatchEvent(new Event("input")); }',
  ],
  [
    "change top k",
    '(root, n) => { const field = root.querySelector(".toolbar input[type=number]"); field.value = 1 + n % 40; field.dispatchEvent(new Event("input")); }',
  ],
  [
    "point at tokens",
    '(root, n) => { root.querySelectorAll("[role=option]")[8 * n].dispatchEvent(new PointerEvent("pointerover", { bubbles: true })); }',
  ],
  [
    "zoom",
    '(root, n) => { const pane = root.querySelector(".matrix"); const { left, top } = pane.getBoundingClientRect(); pane.dispatchEvent(new WheelEvent("wheel", { ctrlKey: true, deltaY: n < 60 ? -4 : 4, clientX: left + 400, clientY: top + 300, cancelable: true })); }',
  ],
];

const script = readFileSync(join(packageRoot(), "dist", "viz", "page", "element.js"), "utf8");
const browser = await launchChromium();
const page: Page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
await page.setContent(
  '<!doctype html><html lang="en"><title>frames</title><body><token-lens></token-lens></body></html>',
);
await page.addScriptTag({ content: script, type: "module" });
await page.evaluate("customElements.whenDefined('token-lens')");
await page.evaluate(recorder);
const mounted = await page.evaluate(
  `((given) => { const start = performance.now(); document.querySelector("token-lens").results = [given]; document.body.offsetHeight; return performance.now() - start; })(${JSON.stringify(documentOf())})`,
);
console.log(`${prompt} + ${outputs} tokens, drawn in ${(mounted as number).toFixed(0)} ms`);
for (const [name, act] of actions) {
  const times = (await page.evaluate(`record(120, ${act})`)) as number[];
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number).toFixed(1);
  console.log(`${name.padEnd(20)} median ${at(0.5)} ms, 95 % ${at(0.95)} ms, longest ${at(1)} ms`);
}
await browser.close();
