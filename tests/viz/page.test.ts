import { readFileSync } from "node:fs";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { colourOf } from "../../src/viz/scale.js";
import { figure } from "../../src/viz/text.js";
import { compare, toSvg, visualize } from "../../src/viz/visualize.js";
import { example } from "../example.js";
import { browserForTests, type OpenOptions } from "./browser.js";
import { choose, expected, lists, score, settled, signed, token, tops, words } from "./reading.js";

const open = browserForTests();
const show = (results: Attribution | readonly Attribution[], options?: OpenOptions) =>
  open(visualize(results).html, options);

describe("the text", () => {
  it("shows every token, step scores under outputs, and what the result is", async () => {
    const page = await show(words);
    expect(await page.locator("[role=option]").locator("bdi").allTextContents()).toEqual(
      words.tokens.map(({ text }) => text),
    );
    expect(await page.locator("[role=option]").locator("small").allTextContents()).toEqual(["0.333", "0.250", "0.200"]);
    await expect(page.locator(".facts").textContent()).resolves.toMatch(
      /org\/tiny-model.*saliency of probability.*4 prompt tokens, 3 outputs.*2025-04-03 12:30/,
    );
    expect(await page.title()).toBe("The capital of France · TokenLense");
  });

  it.each([
    ["share of each output", words, words.normalised("inseq")],
    ["raw scores", words, words],
    ["TokenLense's min–max", words, words.normalised("tokenlense")],
  ])("says on hovering what a token leaned on and what leans on it: %s", async (title, result, scores) => {
    const page = await show(result);
    await page.getByLabel("Scores").selectOption({ label: title });
    for (const position of [0, 3, 4, 6]) {
      await token(page, position).hover();
      await settled(page);
      // A zero is nothing to lean on.
      const { leaned, leaning } = expected(scores, position);
      const some = (rows: string[]) => rows.filter((row) => !/\D0$/.test(row));
      expect(await lists(page)).toEqual({ leaned: some(leaned), leaning: some(leaning) });
    }
    await page.mouse.move(600, 5);
    await settled(page);
    expect(await lists(page)).toEqual({ leaned: [], leaning: [] });
  });

  it("colours what comes before the token and after it, each by its share of the largest", async () => {
    const result = example(["a", "b", "c"], ["d", "e"], signed);
    const page = await show(result);
    await choose(page, "Scores", "raw");
    await token(page, 3).hover();
    await settled(page);
    const around = [signed(0, 0), signed(1, 0), signed(2, 0), signed(3, 1)];
    const largest = Math.max(...around.map(Math.abs));
    const [first, second, third, later] = around.map(
      (value) => `${value < 0 ? "below" : "above"}-${Math.round((24 * Math.abs(value)) / largest)}`,
    );
    const classes = await page
      .locator("[role=option]")
      .evaluateAll((all) => all.map((one) => one.getAttribute("class")));
    expect(classes).toEqual([first, second, third, "hidden-score active", `${later} after`]);
    expect(new Set(around.map(Math.sign)).size).toBe(2);
  });

  it("hides scores below a strength, and all but the top k of each output", async () => {
    const page = await show(words);
    await choose(page, "Scores", "raw");
    const largest = Math.max(...words.tokenScores);
    await page.getByLabel("Strength").fill("60");
    await token(page, 6).hover();
    await settled(page);
    const strong = expected(words, 6).leaned.filter((_, place, all) => {
      return Number(all[place]?.match(/[\d.]+$/)?.[0]) >= 0.6 * largest;
    });
    expect(strong.length).toBeGreaterThan(0);
    expect(strong.length).toBeLessThan(6);
    expect((await lists(page)).leaned).toEqual(strong);

    await page.getByLabel("Strength").fill("0");
    await page.getByLabel("Top k").fill("2");
    await token(page, 6).hover();
    await settled(page);
    expect((await lists(page)).leaned).toEqual(expected(words, 6).leaned.slice(0, 2));
    expect(await page.locator("[role=option].hidden-score").count()).toBe(7 - 2);
  });

  it.each([390, 800, 1200])(
    "fits, and moves nothing as a token is pointed at or pinned, %i pixels wide",
    async (width) => {
      for (const results of [[words], [words, words]]) {
        const page = await show(results, { viewport: { width, height: 900 } });
        const places = () => tops(page, "canvas");
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        const before = await places();
        expect(before.length).toBeGreaterThan(0);
        await token(page, 5).hover();
        await settled(page);
        expect(await places()).toEqual(before);
        await token(page, 5).click();
        await settled(page);
        expect(await places()).toEqual(before);
      }
    },
  );

  it("changes class names alone on hovering, at 400 tokens", async () => {
    const many = (count: number, name: string) => Array.from({ length: count }, (_, i) => ` ${name}${i}`);
    const page = await show(
      example(many(200, "in"), many(200, "out"), (position, output) => Math.sin(position * output)),
    );
    expect(await page.locator("[role=option]").count()).toBe(400);
    await page.evaluate(`
      globalThis.seen = new Set();
      new MutationObserver((changes) => changes.forEach(({ type, attributeName }) => seen.add(attributeName ?? type)))
        .observe(document.querySelector("token-lens").shadowRoot.querySelector("[role=listbox]"), { subtree: true, childList: true, attributes: true, characterData: true });
    `);
    for (const position of [0, 20, 40]) {
      await token(page, position).hover();
      await settled(page);
    }
    expect(await page.evaluate("[...seen]")).toEqual(["class"]);
    // However large the matrix, the canvas is no larger than what can be seen of it.
    const [width, height] = (await page.evaluate(
      `(({ width, height }) => [width, height])(document.querySelector("token-lens").shadowRoot.querySelector("canvas"))`,
    )) as [number, number];
    expect(width).toBeLessThanOrEqual(1200);
    expect(height).toBeLessThanOrEqual(900);
  });
});

describe("keys", () => {
  it("move through the text, pin and release", async () => {
    const page = await show(words);
    await token(page, 0).focus();
    for (const [key, at] of [
      ["ArrowRight", 1],
      ["ArrowRight", 2],
      ["ArrowLeft", 1],
      ["End", 6],
      ["ArrowRight", 6],
      ["Home", 0],
      ["ArrowDown", 4],
    ] as const) {
      await page.keyboard.press(key);
      await settled(page);
      expect(await page.locator("[role=option]:focus").getAttribute("data-position")).toBe(String(at));
      expect(await lists(page)).toEqual(expected(words.normalised("inseq"), at));
    }
    expect(await page.locator(".spoken").textContent()).toMatch(/^ is\. Leaned on .* Leaned on by /);
    await page.keyboard.press("Enter");
    await token(page, 6).hover();
    await settled(page);
    expect(await lists(page)).toEqual(expected(words.normalised("inseq"), 4));
    expect(await token(page, 4).getAttribute("aria-selected")).toBe("true");
    await page.keyboard.press("Escape");
    await settled(page);
    expect(await token(page, 4).getAttribute("aria-selected")).toBe("false");
    expect(await lists(page)).toEqual({ leaned: [], leaning: [] });
  });

  it("move through the heat map, where they say each cell's score", async () => {
    const page = await show(words);
    await choose(page, "Scores", "raw");
    await token(page, 0).focus();
    // From the text on: the zoom and its three buttons, then the heat map.
    for (let stop = 0; stop < 5; stop++) await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await settled(page);
    const value = figure(words.tokenScores[1 * 3 + 1] as number);
    expect(await page.locator(".spoken").textContent()).toContain(` Paris.  capital counts ${value}.`);
    expect(await token(page, 5).getAttribute("class")).toContain("active");
    expect(await token(page, 1).getAttribute("class")).toContain("source");
    // Never onto a cell that does not come before its output.
    for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowDown");
    await settled(page);
    expect(await page.locator(".spoken").textContent()).toContain(" Paris.  is counts ");
  });

  it("clicking pins, and clicking again releases", async () => {
    const page = await show(words);
    await token(page, 5).click();
    await page.mouse.move(600, 5);
    await settled(page);
    expect(await lists(page)).toEqual(expected(words.normalised("inseq"), 5));
    await token(page, 5).click();
    await page.mouse.move(600, 5);
    await settled(page);
    expect(await lists(page)).toEqual({ leaned: [], leaning: [] });
  });
});

describe("the heat map", () => {
  it.each([
    ["unsigned", score, false],
    ["signed", signed, true],
  ])("has the colour and number of each score: %s", async (_, rule, hasSigns) => {
    const result = example(["a", "b"], ["c", "d"], rule);
    const page = await show(result, { colorScheme: "dark", expected: /willReadFrequently/ });
    await choose(page, "Scores", "raw");
    await page.getByLabel("Zoom").fill("40"); // no numbers on the cells
    await settled(page);
    const canvas = page.locator("canvas");
    const box = await canvas.boundingBox();
    if (!box) throw new Error("no canvas");
    const [left, top] = [24 + 7.3, 24 + 5.6];
    const largest = Math.max(...result.tokenScores.map(Math.abs));
    for (const [position, output] of [
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 1],
    ] as const) {
      const [x, y] = [left + 40 * output + 30, top + 26 * position + 19];
      const value = result.tokenScores[position * 2 + output] as number;
      const pixel = await page.evaluate(
        `[...document.querySelector("token-lens").shadowRoot.querySelector("canvas").getContext("2d").getImageData(${x}, ${y}, 1, 1).data]`,
      );
      const colour = colourOf(Math.round((value / largest) * 256) / 256, hasSigns, "dark");
      expect(pixel).toEqual([...colour, 255]);
      await page.mouse.move(box.x + x, box.y + y);
      await settled(page);
      expect(await page.locator(".tip").textContent()).toBe(`${"abcd"[position]} → ${"cd"[output]}: ${figure(value)}`);
    }
    // The second output does not come before itself.
    await page.mouse.move(box.x + left + 30, box.y + top + 26 * 3 + 10);
    await settled(page);
    expect(await page.locator(".tip").isVisible()).toBe(false);
  });
});

describe("safety", () => {
  const hostile = [
    "<script>globalThis.broken = 1</script>",
    "</script><script>globalThis.broken = 2</script>",
    '<img src=x onerror="globalThis.broken = 3">',
    "<!--<script>",
    '" onmouseover="globalThis.broken = 4',
    "\u202eright to left",
    "\u0000\u001b[31m",
    "\ud800",
    "]]>",
    "&lt;b&gt;",
  ];

  it("shows hostile tokens as text, and runs none of them", async () => {
    const page = await show(
      example(hostile, hostile, score, { modelName: hostile[1] as string, method: hostile[2] as string }),
    );
    await token(page, 1).hover();
    await settled(page);
    expect(await page.evaluate("globalThis.broken")).toBeUndefined();
    const texts = await page.locator("[role=option]").locator("bdi").allTextContents();
    expect(texts[0]).toBe(hostile[0]);
    expect(texts[5]).toBe("‹202E›right to left");
    expect(texts[6]).toBe("␀␛[31m");
    expect(await page.locator("img, script script").count()).toBe(0);
  });

  it("carries a policy that stops other scripts and requests", async () => {
    const page = await show(words, { expected: /Content Security Policy/ });
    await page.evaluate(`
      const script = document.createElement("script");
      script.textContent = "globalThis.broken = 5";
      document.body.append(script);
    `);
    expect(await page.evaluate("globalThis.broken")).toBeUndefined();
    expect(await page.evaluate(`fetch("data:,x").then(() => "went", () => "stopped")`)).toBe("stopped");
  });

  it("lives in a notebook beside others, each in its frame", async () => {
    const display = Symbol.for("Jupyter.display");
    type Hooked = Record<symbol, () => Record<string, string>>;
    const frames = [words, example(["x"], ["y"])].map((result) => {
      const bundle = (visualize(result, { height: 500 }) as unknown as Hooked)[display]?.();
      return bundle?.["text/html"];
    });
    const page = await open(`<!doctype html><title>notebook</title>${frames.join("")}`);
    const second = page.frameLocator("iframe").nth(1);
    expect(await second.locator("[role=option]").locator("bdi").allTextContents()).toEqual(["x", "y"]);
    await page.frameLocator("iframe").nth(0).locator("[role=option]").nth(5).hover();
    expect(await page.frameLocator("iframe").nth(0).locator(".details h3").textContent()).toBe("␣Paris");
    expect(await second.locator(".details h3").textContent()).toBe("No token chosen");
  });
});

describe("colours", () => {
  it("follow the system, until the reader says otherwise", async () => {
    const page = await show(words, { colorScheme: "dark" });
    const theme = () => page.locator(".page").getAttribute("data-theme");
    expect(await theme()).toBe("dark");
    await page.emulateMedia({ colorScheme: "light" });
    await settled(page);
    expect(await theme()).toBe("light");
    await choose(page, "Colours", "dark");
    expect(await theme()).toBe("dark");
  });

  it.each(["light", "dark"] as const)("and structure have no fault that axe finds: %s", async (colorScheme) => {
    const page = await show([words, example(["The", " capital"], [" is"], signed)], { colorScheme });
    await token(page, 5).hover();
    await settled(page);
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });
});

describe("files", () => {
  const saved = async (page: Page, name: string) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
    return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
  };

  it("are what the page shows: SVG and PNG, and the result as JSON", async () => {
    const page = await show(words, { colorScheme: "light" });
    const svg = await saved(page, "SVG");
    expect(svg.name).toBe("saliency.svg");
    expect(svg.content.toString()).toBe(toSvg(words));
    const png = await saved(page, "PNG");
    expect(png.name).toBe("saliency.png");
    expect(png.content.subarray(1, 4).toString()).toBe("PNG");
    const width = Number(/width="(\d+)"/.exec(svg.content.toString())?.[1]);
    expect(png.content.readUInt32BE(16)).toBe(2 * width);
    const json = await saved(page, "JSON");
    expect(JSON.parse(json.content.toString())).toEqual(JSON.parse(JSON.stringify(words)));
    await choose(page, "Scores", "raw");
    expect((await saved(page, "SVG")).content.toString()).toBe(toSvg(words, { normalisation: "raw" }));
  });
});

describe("several results", () => {
  const other = example(["The", " big", " capital", " of", " France"], [" is", " Paris", "!"], signed);

  it("are linked: the token that is looked at in one is marked in the other, where it has it", async () => {
    const page = await show([words, other]);
    await token(page, 5).hover();
    await settled(page);
    expect(await page.locator(".details h3").allTextContents()).toEqual(["␣Paris", "␣Paris"]);
    expect((await lists(page, 1)).leaned).toEqual(expected(other.normalised("inseq"), 6).leaned);
    await token(page, 1, 1).hover();
    await settled(page);
    expect(await page.locator(".details h3").allTextContents()).toEqual(["No token chosen", "␣big"]);
  });

  it("are subtracted where both have the token, and their agreement is said", async () => {
    const page = await show([words, words.normalised("inseq"), other]);
    const all = [words, words.normalised("inseq"), other];
    const figures = compare(all).flatMap(({ outputs, pearson = 0, spearman = 0, topOverlap = 0 }) => [
      String(outputs.length),
      pearson.toFixed(3),
      spearman.toFixed(3),
      `${Math.round(100 * topOverlap)} %`,
    ]);
    expect(figures.slice(0, 4)).toEqual(["3", "1.000", "1.000", "100 %"]);
    expect(await page.locator("tr:has(th[scope=row]) td").allTextContents()).toEqual(figures);
    await choose(page, "Scores", "raw");
    await page.getByText("C less A").click();
    const canvas = page.locator("details[open] canvas");
    await canvas.waitFor();
    await settled(page);
    await canvas.scrollIntoViewIfNeeded();
    await page.locator("details[open]").getByLabel("Zoom").fill("40");
    await settled(page);
    const box = await canvas.boundingBox();
    if (!box) throw new Error("no canvas");
    const left = Math.min(150, 24 + 7.3 * "␣capital".length);
    const top = Math.min(96, 24 + 5.6 * "␣Paris".length);
    const at = async (position: number, output: number) => {
      await page.mouse.move(box.x + left + 40 * output + 20, box.y + top + 26 * position + 13);
      await settled(page);
      return page.locator("details[open] .tip").textContent();
    };
    expect(await at(1, 1)).toBe(`␣capital → ␣Paris: ${figure(Math.fround(signed(2, 1)) - Math.fround(score(1, 1)))}`);
    expect(await at(1, 2)).toBe("␣capital → .: not in both");
  });
});
