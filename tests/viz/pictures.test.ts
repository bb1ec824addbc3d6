import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rasterise } from "../../src/viz/png.js";
import { colourOf, hex } from "../../src/viz/scale.js";
import { renderTable } from "../../src/viz/table.js";
import { figure } from "../../src/viz/text.js";
import { toPng, toSvg, visualize } from "../../src/viz/visualize.js";
import { example } from "../example.js";

const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });
const score = (position: number, output: number) => 1 + ((position * 7 + output * 3) % 11);
const signed = (position: number, output: number) => score(position, output) - 6;
const words = example(["The", " capital"], [" is", " Paris"], score);

/** As a PNG's head has it. */
function sizeOf(png: Uint8Array) {
  const bytes = Buffer.from(png);
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
}

describe("toSvg", () => {
  it("has a title, what the result is, every token, every number, step scores and a legend", () => {
    const svg = toSvg(words, { normalisation: "raw" });
    for (const text of ["The capital", "org/tiny-model · saliency of probability · 2 prompt tokens, 2 outputs"])
      expect(svg).toContain(`>${text}`);
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    const cells = [score(0, 0), score(0, 1), score(1, 0), score(1, 1), score(2, 1)].map(figure);
    const largest = figure(Math.max(...words.tokenScores));
    for (const part of ["The", "␣capital", "␣is", "␣Paris", ...cells, "(probability)", "0.333", "0", largest, "scores"])
      expect(texts).toContain(part);
    // Five cells come before their output, and no more are drawn.
    expect(svg.match(/h53v23/g)).toHaveLength(5);
  });

  it.each([
    ["unsigned", score, false],
    ["signed", signed, true],
  ])("gives the largest score the end of the scale on either ground: %s", (_, rule, hasSigns) => {
    const result = example(["a", "b"], ["c"], rule);
    const largest = result.tokenScores.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    for (const theme of ["light", "dark"] as const) {
      const end = hex(colourOf(Math.sign(largest), hasSigns, theme));
      expect(toSvg(result, { theme, normalisation: "raw" })).toContain(`<path fill="${end}" d="M`);
    }
  });

  it("shows the normalisation that is asked for, each output's shares where none is", () => {
    const share = figure((words.normalised("inseq").tokenScores[0] as number) * 1);
    expect(toSvg(words)).toContain(`>${share}</text>`);
    expect(toSvg(words)).toBe(toSvg(words, { normalisation: "inseq" }));
    expect(toSvg(words, { normalisation: "tokenlense" })).not.toBe(toSvg(words));
    expect(() => toSvg(words, { normalisation: "inseqq" as "inseq" })).toThrow(code("INPUT"));
  });

  it("puts several under one another", () => {
    const height = (svg: string) => Number(/height="(\d+)"/.exec(svg)?.[1]);
    const both = toSvg([words, words]);
    expect(Math.abs(height(both) - 2 * height(toSvg(words)))).toBeLessThanOrEqual(1);
    expect(() => toSvg([])).toThrow(code("INPUT"));
  });

  it("stays small at 200 + 200 tokens", () => {
    const many = Array.from({ length: 200 }, (_, i) => ` w${i}`);
    expect(toSvg(example(many, many, (position, output) => Math.sin(position * output))).length).toBeLessThan(3e6);
  });
});

describe("toPng", () => {
  it("is the SVG at twice its size, or as large as is asked", async () => {
    const [, width = 0, height = 0] = /width="(\d+)" height="(\d+)"/.exec(toSvg(words))?.map(Number) ?? [];
    expect(sizeOf(await toPng(words))).toEqual({ width: 2 * width, height: 2 * height });
    expect(sizeOf(await toPng(words, { scale: 0.5 })).width).toBeCloseTo(width / 2, -1);
  });

  it("has letters, whatever fonts the system has", async () => {
    const drawn = (title: string) => toPng(words, { scale: 1, title });
    expect(Buffer.compare(await drawn("ii"), await drawn("ll"))).not.toBe(0);
    expect(Buffer.compare(await drawn("жж"), await drawn("шш"))).not.toBe(0);
  });

  it("takes any text: the SVG is well-formed whatever a token holds", async () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 8 }),
      fc.constantFrom("<script>", "]]>", "&", '"', "\ufffe", "\ud800", "\u0000", "\u202e", "日本", ""),
    );
    await fc.assert(
      fc.asyncProperty(text, text, text, async (first, second, title) => {
        const svg = toSvg(example([first], [second], score, { prompt: title }));
        expect((await rasterise(svg, { scale: 0.1 })).length).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
    await expect(rasterise("<svg><text>&</text></svg>")).rejects.toThrow();
  });

  it("can be cancelled, and refuses a scale of nothing", async () => {
    await expect(toPng(words, { signal: AbortSignal.abort() })).rejects.toThrow(code("CANCELLED"));
    for (const scale of [0, -1, Number.NaN, 17]) await expect(toPng(words, { scale })).rejects.toThrow(code("INPUT"));
  });
});

describe("visualize", () => {
  const display = Symbol.for("Jupyter.display");
  type Hooked = Record<symbol, () => Record<string, string>>;

  it("prints as the terminal's table, a comparison where there are several", () => {
    expect(`${visualize(words)}`).toBe(renderTable(words, { columns: 80 }));
    expect(inspect(visualize(words))).toBe(renderTable(words, { columns: 80 }));
    expect(`${visualize([words, words])}`).toContain("A and B");
  });

  it("tells Deno's kernel what to show", () => {
    const picture = visualize(words, { height: 321 });
    const bundle = (picture as unknown as Hooked)[display]?.();
    expect(bundle?.["text/plain"]).toBe(String(picture));
    expect(bundle?.["text/html"]).toMatch(
      /^<iframe srcdoc="[^"]+" sandbox="allow-scripts allow-downloads"[^>]+height:321px/,
    );
  });

  it("shows itself in tslab as it is printed", () => {
    const shownThere: string[] = [];
    const kernel = {
      require: (name: string) => name === "tslab" && { display: { html: (html: string) => shownThere.push(html) } },
    };
    Object.assign(globalThis, { __tslab__: kernel });
    try {
      expect(inspect(visualize(words))).toBe("A picture, above.");
    } finally {
      Reflect.deleteProperty(globalThis, "__tslab__");
    }
    expect(shownThere).toHaveLength(1);
    expect(shownThere[0]).toContain("<iframe srcdoc=");
  });

  it("is drawn of what the results were, even when they are disposed of", () => {
    const result = example(["a"], ["b"]);
    const picture = visualize(result);
    const { svg, html } = picture;
    result.dispose();
    expect(picture.svg).toBe(svg);
    expect(picture.html).toBe(html);
    expect(() => visualize(result)).toThrow(code("DISPOSED"));
  });

  it("refuses no results, and a normalisation that is not known", () => {
    expect(() => visualize([])).toThrow(code("INPUT"));
    expect(() => visualize(words, { normalisation: "row" as "raw" })).toThrow(code("INPUT"));
  });

  it("escapes what it is called", () => {
    const { html } = visualize(words, { title: "</title><script>alert(1)</script>" });
    expect(html).not.toContain("<script>alert(1)");
    expect(html).toContain("&lt;/title&gt;");
  });
});
