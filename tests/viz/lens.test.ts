import { readFileSync } from "node:fs";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import type { NativeDocument } from "../../src/storage/schema.js";
import { initialState, type LensState } from "../../src/viz/page/state.js";
import { figure } from "../../src/viz/text.js";
import { example } from "../example.js";
import { browserForTests, type OpenOptions } from "./browser.js";
import { choose, each, expected, lists, score, settled, signed, token, words } from "./reading.js";

// The file that `tokenlense-native/ui` stands for, alone in a page that a host made.
const script = readFileSync(new URL("../../dist/viz/page/element.js", import.meta.url), "utf8");
const open = browserForTests();

/** A host that keeps every `lens-change` in `changes`. `before` runs ahead of the results being set. */
async function host(
  results: readonly (Attribution | NativeDocument)[],
  { attributes = "", before = "", ...options }: OpenOptions & { attributes?: string; before?: string } = {},
): Promise<Page> {
  const page = await open(
    `<!doctype html><html lang="en"><title>host</title><main><h1>Host</h1><token-lens ${attributes}></token-lens></main></html>`,
    options,
  );
  await page.addScriptTag({ content: script, type: "module" });
  await page.evaluate("customElements.whenDefined('token-lens')");
  await page.evaluate(`
    globalThis.lens = document.querySelector("token-lens");
    globalThis.changes = [];
    document.addEventListener("lens-change", ({ detail }) => changes.push(detail));
    ${before}
    lens.results = ${JSON.stringify(results).replaceAll("<", "\\u003c")};
  `);
  await settled(page);
  return page;
}
const stateOf = (page: Page) => page.evaluate("lens.state") as Promise<LensState>;
const set = async (page: Page, changes: unknown) => {
  await page.evaluate(`lens.state = ${JSON.stringify(changes)}`);
  await settled(page);
};
const changes = (page: Page) => page.evaluate("changes.splice(0)") as Promise<LensState[]>;
const control = (page: Page, label: string) => page.getByLabel(label).inputValue();

const pieces = example([" The", " cap", "ital", " of"], [" Fr", "ance", " is", " Par", "is"], score);
const merged = pieces.aggregate("subwords");

/** A span as one: what each token before counted for its outputs, and it for each output after, in sums. */
function sums(result: Attribution, from: number, end: number) {
  const { outputs, promptLength, tokenScores, tokens } = result;
  const sum = (list: number[]) => list.reduce((total, value) => total + value, 0);
  const range = (start: number, stop: number) => Array.from({ length: Math.max(0, stop - start) }, (_, i) => start + i);
  const rows = (entries: (readonly [number, number])[]) =>
    entries
      .filter(([, value]) => value !== 0)
      .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a))
      .slice(0, 6)
      .map(([place, value]) => `${tokens[place]?.text.replaceAll(" ", "␣")}${figure(value)}`);
  const at = (position: number, output: number) => tokenScores[position * outputs + output - promptLength] as number;
  const own = range(Math.max(from, promptLength), end);
  return {
    leaned: rows(range(0, from).map((place) => [place, sum(own.map((output) => at(place, output)))])),
    leaning: rows(
      range(Math.max(end, promptLength), tokens.length).map((output) => [
        output,
        sum(range(from, end).map((position) => at(position, output))),
      ]),
    ),
  };
}

describe("the state", () => {
  it("is the whole view, held from before the results are set, and by other results", async () => {
    const wanted: LensState = {
      normalisation: "raw",
      strength: 0.25,
      topK: 4,
      step: "entropy",
      unit: "word",
      zoom: 30,
      cloud: true,
      pinned: { result: 0, position: 4, end: 6 },
    };
    const entropy = example([" The", " cap", "ital", " of"], [" Fr", "ance", " is", " Par", "is"], score, {
      stepScores: { ...pieces.stepScores, entropy: Float32Array.from([1, 2, 3, 4, 5]) },
    });
    const page = await host([entropy], { before: `lens.state = ${JSON.stringify(wanted)};` });
    expect(await stateOf(page)).toEqual(wanted);
    expect(await control(page, "Scores")).toBe("raw");
    expect(await control(page, "Strength")).toBe("25");
    expect(await control(page, "Top k")).toBe("4");
    expect(await control(page, "Unit")).toBe("word");
    expect(await control(page, "Under outputs")).toBe("entropy");
    expect(await control(page, "Zoom")).toBe("30");
    expect(await page.getByLabel("Cloud").isChecked()).toBe(true);
    expect(await page.locator(".details h3").textContent()).toBe("␣France");
    expect(await page.locator("small").allTextContents()).toEqual(["3.00", "3.00", "9.00"]);
    await page.evaluate("lens.results = [...lens.results]");
    await settled(page);
    expect(await stateOf(page)).toEqual(wanted);
    expect(await changes(page)).toEqual([]);
  });

  it("changes by what is named, tells nobody of that, and passes over what is no value", async () => {
    const page = await host([words]);
    expect(await stateOf(page)).toEqual(initialState);
    await set(page, { topK: 2, pinned: { result: 0, position: 6 } });
    expect(await lists(page)).toEqual({
      leaned: expected(words.normalised("inseq"), 6).leaned.slice(0, 2),
      leaning: [],
    });
    await set(page, { normalisation: "worse", topK: "3", pinned: { result: 7, position: 0 } });
    expect(await stateOf(page)).toEqual({ ...initialState, topK: 2 });
    for (const nothing of [null, 3, "x", []]) await set(page, nothing);
    expect(await stateOf(page)).toEqual({ ...initialState, topK: 2 });
    expect(await changes(page)).toEqual([]);
  });

  it("is told as the user changes it, once a frame at most", async () => {
    const page = await host([words]);
    await choose(page, "Scores", "raw");
    expect(await changes(page)).toEqual([{ ...initialState, normalisation: "raw" }]);
    await page.evaluate(`
      const slider = lens.shadowRoot.querySelector(".toolbar input[type=range]");
      for (const value of [10, 20, 30]) { slider.value = value; slider.dispatchEvent(new Event("input")); }
    `);
    await settled(page);
    expect((await changes(page)).map(({ strength }) => strength)).toEqual([0.3]);
    await token(page, 2).hover();
    await settled(page);
    expect(await changes(page)).toEqual([]);
    await token(page, 5).click();
    await settled(page);
    expect((await changes(page)).map(({ pinned }) => pinned)).toEqual([{ result: 0, position: 5 }]);
    await page.keyboard.press("Escape");
    await settled(page);
    expect((await changes(page)).map(({ pinned }) => pinned)).toEqual([null]);
  });

  it("may be set again by who is told of it", async () => {
    const page = await host([words], {
      before: `document.addEventListener("lens-change", ({ detail }) => { lens.state = { ...detail, topK: 1 }; });`,
    });
    await choose(page, "Scores", "raw");
    await settled(page);
    expect((await changes(page)).length).toBe(1);
    expect(await stateOf(page)).toEqual({ ...initialState, normalisation: "raw", topK: 1 });
  });
});

describe("a document whose scores lie beside it", () => {
  it("says so, rather than that nothing leaned on anything", async () => {
    const { data, tokenlense_native: ours, ...document } = words.toJSON();
    const scores = { file: "far.safetensors", bytes: 4, sha256: "0".repeat(64), dimensions: [] };
    const page = await host([
      { ...document, data: { ...data, association_matrix: [] }, tokenlense_native: ours && { ...ours, scores } },
    ]);
    expect(await page.getByRole("note").textContent()).toContain("far.safetensors");
    await page.evaluate(`lens.results = [${JSON.stringify(words)}]`);
    expect(await page.getByRole("note").count()).toBe(0);
  });
});

describe("a host", () => {
  it("may set properties before the element is known", async () => {
    const page = await open('<!doctype html><html lang="en"><title>host</title><token-lens></token-lens></html>');
    await page.evaluate(`
      globalThis.lens = document.querySelector("token-lens");
      lens.results = [${JSON.stringify(words)}];
      lens.state = { topK: 2 };
    `);
    await page.addScriptTag({ content: script, type: "module" });
    await page.evaluate("customElements.whenDefined('token-lens')");
    expect(await page.locator("[role=option]").count()).toBe(words.tokens.length);
    expect(await stateOf(page)).toEqual({ ...initialState, topK: 2 });
    await set(page, { topK: 1 });
    expect(await control(page, "Top k")).toBe("1");
  });

  it("is not loaded anew by Enter in a field", async () => {
    const page = await host([words]);
    await page.getByLabel("Top k").press("Enter");
    await settled(page);
    expect(await page.evaluate("typeof changes")).toBe("object");
  });
});

describe("attributes", () => {
  it("are obeyed as they change", async () => {
    const page = await host([words], { colorScheme: "light", attributes: 'theme="dark" normalisation="raw"' });
    const theme = () => page.locator(".page").getAttribute("data-theme");
    expect([await theme(), (await stateOf(page)).normalisation]).toEqual(["dark", "raw"]);
    await page.evaluate(`lens.setAttribute("theme", "light"); lens.setAttribute("normalisation", "tokenlense")`);
    await settled(page);
    expect([await theme(), await control(page, "Scores")]).toEqual(["light", "tokenlense"]);
    await page.evaluate(`lens.removeAttribute("theme"); lens.setAttribute("normalisation", "none")`);
    await page.emulateMedia({ colorScheme: "dark" });
    await settled(page);
    expect([await theme(), await control(page, "Scores")]).toEqual(["dark", "tokenlense"]);
    // Taken out and put back, it still follows the system.
    await page.evaluate("const parent = lens.parentElement; lens.remove(); parent.append(lens)");
    await page.emulateMedia({ colorScheme: "light" });
    await settled(page);
    expect(await theme()).toBe("light");
  });

  it("plain leaves the switch of colours to the host", async () => {
    const page = await host([words]);
    expect(await page.getByLabel("Colours").isVisible()).toBe(true);
    await page.evaluate(`lens.toggleAttribute("plain", true)`);
    expect(await page.getByLabel("Colours").isVisible()).toBe(false);
    expect(await page.getByLabel("Scores").isVisible()).toBe(true);
  });
});

describe("a span", () => {
  const raw = `lens.state = { normalisation: "raw" };`;

  it.each([
    ["of prompt tokens", 1, 3],
    ["over the prompt's end", 3, 6],
    ["of outputs", 5, 7],
  ])("shows what it leaned on and what leans on it, in sums: %s", async (_, from, end) => {
    const page = await host([pieces], { before: raw });
    await set(page, { pinned: { result: 0, position: from, end } });
    expect(await lists(page)).toEqual(sums(pieces, from, end));
    expect(await page.locator("[role=option][aria-selected=true]").count()).toBe(end - from);
    expect(await page.locator("[role=option].active").count()).toBe(end - from);
  });

  it("is made by dragging, either way", async () => {
    const page = await host([pieces], { before: raw });
    for (const [from, to] of [
      [4, 6],
      [7, 5],
    ] as const) {
      await token(page, from).hover();
      await page.mouse.down();
      await token(page, to).hover();
      await page.mouse.up();
      await settled(page);
      const [position, end] = [Math.min(from, to), Math.max(from, to) + 1];
      expect((await stateOf(page)).pinned).toEqual({ result: 0, position, end });
      expect(await lists(page)).toEqual(sums(pieces, position, end));
    }
    expect(await page.evaluate("getSelection().toString()")).toBe("");
  });

  it("is made by Shift and a click, from what is pinned", async () => {
    const page = await host([pieces]);
    await token(page, 5).click();
    await token(page, 2).click({ modifiers: ["Shift"] });
    await settled(page);
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 2, end: 6 });
    await token(page, 8).click({ modifiers: ["Shift"] });
    await settled(page);
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 5, end: 9 });
    await token(page, 1).click();
    await settled(page);
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 1 });
  });

  it("is made by Shift and arrow keys, and said", async () => {
    const page = await host([pieces]);
    await token(page, 0).focus();
    await page.keyboard.press("ArrowRight");
    for (let i = 0; i < 3; i++) await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowLeft");
    await settled(page);
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 1, end: 4 });
    expect(await page.locator(".spoken").textContent()).toMatch(/^ capital of\. Leaned on by /);
    await page.keyboard.press("Escape");
    await settled(page);
    expect((await stateOf(page)).pinned).toBe(null);
  });

  it("is marked in the other results, from the first of its tokens that they have to the last", async () => {
    const other = example(["Well,", " The", " cap", "ital"], [" Fr", "ance", "!"], signed);
    const page = await host([pieces, other], { before: raw });
    await set(page, { pinned: { result: 0, position: 2, end: 6 } });
    expect(await page.locator(".details h3").allTextContents()).toEqual(["ital␣of␣France", "ital␣France"]);
    expect(await lists(page, 1)).toEqual(sums(other, 3, 6));
  });
});

describe("words", () => {
  it('are those of aggregate("subwords"), shown without another run, and keep what is pinned', async () => {
    const page = await host([pieces]);
    await token(page, 4).click();
    await choose(page, "Unit", "word");
    const texts = () => page.locator("[role=option]").locator("bdi").allTextContents();
    expect(await texts()).toEqual([" The", " capital", " of", " France", " is", " Paris"]);
    expect(await lists(page)).toEqual(expected(merged.normalised("inseq"), 3));
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 4, end: 6 });
    expect(await page.locator("small").allTextContents()).toEqual(
      Array.from(merged.stepScores.probability ?? [], (value) => figure(value)),
    );
    await token(page, 5).click();
    await choose(page, "Unit", "token");
    expect(await texts()).toEqual(pieces.tokens.map(({ text }) => text));
    expect((await stateOf(page)).pinned).toEqual({ result: 0, position: 7, end: 9 });
    expect(await lists(page)).toEqual(sums(pieces.normalised("inseq"), 7, 9));
  });

  it("are not offered where nothing marks them", async () => {
    const page = await host([example(["日", "本"], ["語"])]);
    expect(await page.getByLabel("Unit").count()).toBe(0);
  });
});

describe("the heat map's scale", () => {
  const many = (count: number, name: string) => Array.from({ length: count }, (_, i) => ` ${name}${i}`);
  const large = example(many(80, "in"), many(60, "out"), score);
  const left = Math.min(150, 24 + 7.3 * "␣out59".length);
  const top = Math.min(96, 24 + 5.6 * "␣out59".length);
  const tip = (page: Page) => page.locator(".tip").textContent();

  it("grows and shrinks about the pointer with Ctrl and the wheel, and about the middle by buttons and keys", async () => {
    const page = await host([large], { before: "lens.state = { zoom: 20 };" });
    const pane = page.locator(".matrix");
    await pane.scrollIntoViewIfNeeded();
    const box = await page.locator("canvas").boundingBox();
    if (!box) throw new Error("no canvas");
    const at = [box.x + left + 20 * 17.5, box.y + top + 20 * 9.5] as const;
    await page.mouse.move(...at);
    await settled(page);
    const under = await tip(page);
    expect(under).toMatch(/^␣in9 → ␣out17:/);
    await page.keyboard.down("Control");
    for (const delta of [-40, -40, -20]) {
      await page.mouse.wheel(0, delta);
      await settled(page);
    }
    await page.keyboard.up("Control");
    expect((await stateOf(page)).zoom).toBeGreaterThan(30);
    await page.mouse.move(at[0] + 1, at[1] + 1);
    await settled(page);
    expect(await tip(page)).toBe(under);

    await set(page, { zoom: 20 });
    await page.getByRole("button", { name: "Larger cells" }).click();
    await settled(page);
    expect((await stateOf(page)).zoom).toBe(25);
    await page.getByRole("button", { name: "Smaller cells" }).click();
    await settled(page);
    expect((await stateOf(page)).zoom).toBe(20);
    await pane.focus();
    for (const [key, zoom] of [
      ["+", 25],
      ["-", 20],
      ["-", 16],
      ["0", null],
    ] as const) {
      await page.keyboard.press(key);
      await settled(page);
      expect((await stateOf(page)).zoom).toBe(zoom);
    }
    expect(await control(page, "Zoom")).toBe("15");
    for (let i = 0; i < 20; i++) await page.keyboard.press("-");
    expect((await stateOf(page)).zoom).toBe(3);
  });

  it("draws the cells that are in sight, wherever it is scrolled to", async () => {
    const page = await host([large], {
      before: `lens.state = { zoom: 20, normalisation: "raw" };`,
      colorScheme: "dark",
      expected: /willReadFrequently/,
    });
    await page.evaluate(`
      const pane = lens.shadowRoot.querySelector(".matrix");
      pane.scrollTop = 1000; pane.scrollLeft = 200;
    `);
    await settled(page);
    const pixels = async (x: number, y: number) =>
      page.evaluate(
        `[...lens.shadowRoot.querySelector("canvas").getContext("2d").getImageData(${x}, ${y}, 1, 1).data]`,
      );
    const { colourOf } = await import("../../src/viz/scale.js");
    const largest = Math.max(...large.tokenScores);
    for (const [position, output] of [
      [55, 12],
      [60, 20],
      [62, 31],
    ] as const) {
      const value = large.tokenScores[position * 60 + output] as number;
      const [x, y] = [left + 20 * output - 200 + 8, top + 20 * position - 1000 + 8];
      const colour = colourOf(Math.round((value / largest) * 256) / 256, false, "dark");
      expect(await pixels(Math.round(x), Math.round(y))).toEqual([...colour, 255]);
    }
  });
});

describe("copying", () => {
  const pasted = (page: Page) => page.evaluate("navigator.clipboard.readText()") as Promise<string>;
  const awkward = example(['"', " =1", "="], [" a\tb", "\n"], signed);

  it("gives what is pinned or the whole text, and the scores for a spreadsheet", async () => {
    const page = await host([awkward], { before: `lens.state = { normalisation: "raw" };` });
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy text" }).click();
    await page.getByText("Text copied").waitFor();
    expect(await pasted(page)).toBe('" =1= a\tb\n');
    await set(page, { pinned: { result: 0, position: 1, end: 3 } });
    await page.getByRole("button", { name: "Copy text" }).click();
    await expect.poll(() => pasted(page)).toBe(" =1=");
    await page.getByRole("button", { name: "Copy TSV" }).click();
    await page.getByText("Scores copied").waitFor();
    const number = (position: number, output: number) => String(Number(signed(position, output).toPrecision(7)));
    expect(await pasted(page)).toBe(
      [
        ["", "␣a⇥b", "↵"],
        ['""""', number(0, 0), number(0, 1)],
        ["␣=1", number(1, 0), number(1, 1)],
        ["'=", number(2, 0), number(2, 1)],
        ["␣a⇥b", "", number(3, 1)],
        ["↵", "", ""],
        ["(probability)", "0.3333333", "0.25"],
      ]
        .map((row) => `${row.join("\t")}\n`)
        .join(""),
    );
  });

  it("goes the older way where the clipboard is refused, and shows the text where both are", async () => {
    const page = await host([words], {
      before: `navigator.clipboard.writeText = () => Promise.reject(new Error("refused"));`,
    });
    await page.context().grantPermissions(["clipboard-read"]);
    await page.getByRole("button", { name: "Copy text" }).click();
    await page.getByText("Text copied").waitFor();
    expect(await pasted(page)).toBe("The capital of France is Paris.");
    expect(await page.evaluate("lens.shadowRoot.activeElement.textContent")).toBe("Copy text");
    await page.evaluate("document.execCommand = () => false");
    await page.getByRole("button", { name: "Copy text" }).click();
    const area = page.getByRole("dialog").getByLabel("Text to copy");
    expect(await area.inputValue()).toBe("The capital of France is Paris.");
    await page.keyboard.press("Escape");
    expect(await page.getByRole("dialog").count()).toBe(0);
  });
});

describe("a cloud", () => {
  it("has the larger tokens the more they count, and keeps them where they are as one is pointed at", async () => {
    const page = await host([words]);
    const sizes = () => each(page, "[role=option]", "Number.parseFloat(getComputedStyle(one).fontSize)");
    expect(new Set(await sizes()).size).toBe(1);
    await page.getByLabel("Cloud").check();
    await settled(page);
    const shares = words.normalised("inseq").tokenScores;
    const means = words.tokens.map((_, position) => {
      const own = [0, 1, 2]
        .filter((output) => position < 4 + output)
        .map((output) => shares[position * 3 + output] as number);
      return own.length > 0 ? own.reduce((sum, value) => sum + value, 0) / own.length : 0;
    });
    const drawn = await sizes();
    const most = Math.max(...means);
    drawn.forEach((size, position) => {
      expect(size).toBeCloseTo(17 * (0.8 + (1.1 * Math.round((8 * (means[position] as number)) / most)) / 8), 1);
    });
    await token(page, 5).hover();
    await settled(page);
    expect(await sizes()).toEqual(drawn);
  });
});

describe("for everyone", () => {
  const other = example([" The", " cap", "ital"], [" Fr", "ance"], signed);

  it.each(["light", "dark"] as const)("axe finds no fault in words, spans and clouds: %s", async (colorScheme) => {
    const page = await host([pieces, other], { colorScheme, viewport: { width: 375, height: 800 } });
    await set(page, { unit: "word", cloud: true, pinned: { result: 0, position: 1, end: 6 } });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(375);
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });

  it("shows where the keyboard is at every stop", async () => {
    const page = await host([pieces]);
    const stops: string[] = [];
    for (let i = 0; i < 30; i++) {
      await page.keyboard.press("Tab");
      const stop = (await page.evaluate(`(() => {
        const active = lens.shadowRoot?.activeElement;
        if (!active) return "";
        const { outlineStyle, outlineWidth } = getComputedStyle(active);
        return [active.tagName, outlineStyle, Number.parseFloat(outlineWidth) >= 2].join(" ");
      })()`)) as string;
      if (stop === "") break;
      stops.push(stop);
    }
    expect(stops.length).toBeGreaterThanOrEqual(17);
    for (const stop of stops) expect(stop).toMatch(/ solid true$/);
  });
});
