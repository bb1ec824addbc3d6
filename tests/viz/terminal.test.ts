import { stripVTControlCharacters } from "node:util";
import type { ColorSupportLevel } from "chalk";
import fc from "fast-check";
import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { renderTable } from "../../src/viz/table.js";
import { render, renderHeatMap } from "../../src/viz/terminal.js";
import { example } from "../example.js";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(" the", "\n", "", "\x1b[31m", "日本", "👩‍👩‍👧", "\u0301", "\u202e", "<|im_start|>", "\t"),
);
const texts = fc.array(text, { minLength: 1, maxLength: 12 });
const score = (signed: boolean) => (position: number, output: number) =>
  Math.sin(position * 7 + output) + (signed ? 0 : 1);

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not come through
const control = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

describe("what is said above", () => {
  const above = (changes: Parameters<typeof example>[3]) =>
    renderTable(example(["a", "b"], ["c", "d"], undefined, changes), { columns: 100 }).split("\n\n")[0];

  it("of a path has its steps, and by how much its scores miss their sum at most", () => {
    const said = above({ pathSteps: Int32Array.of(12, 36), convergenceDeltas: Float32Array.of(0.01, -0.25) });
    expect(said).toContain("12 to 36 steps");
    expect(said).toContain("convergence delta 2.5e-1 at most");
    expect(above({ pathSteps: Int32Array.of(50, 50) })).toContain("50 steps");
    expect(above({})).not.toContain("steps");
  });
});

describe("renderHeatMap", () => {
  it("keeps to the width and lets no control character of a token through", () => {
    fc.assert(
      fc.property(texts, texts, fc.boolean(), fc.integer({ min: 24, max: 120 }), (head, rest, signed, columns) => {
        const drawn = renderHeatMap(example(head, rest, score(signed)), { columns, level: 3 });
        // biome-ignore lint/suspicious/noControlCharactersInRegex: our own colours, the only escapes there may be
        const plain = drawn.replaceAll(/\x1b\[[\d;]*m/g, "");
        expect(plain).not.toMatch(control);
        for (const line of plain.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it("shows every token of the prompt, and of each output's prefix", () => {
    const drawn = stripVTControlCharacters(
      renderHeatMap(example(["The", " cap", "\n"], [" is", " 東京"]), { columns: 80, level: 3 }),
    );
    expect(drawn).toContain("\nThe cap↵\n is 東京\n");
    expect(drawn).toContain("\n1 is   0.333  The cap↵\n2 東京 0.250  The cap↵ is\n");
    expect(drawn).toContain("(probability beside it)");
  });

  it("gives the largest score of a line the end of the scale, in each depth of colour", () => {
    const result = example(["low", "high"], ["!"], (position) => position + 1);
    expect(renderHeatMap(result, { columns: 80, level: 3 })).toContain("\x1b[48;2;253;231;37m\x1b[38;2;0;0;0mhigh");
    expect(renderHeatMap(result, { columns: 80, level: 2 })).toContain("\x1b[48;5;");
    expect(renderHeatMap(result, { columns: 80, level: 1 })).toContain("\x1b[103mhigh");
  });

  it("tells the signs apart, in each depth of colour", () => {
    const result = example(["less", "more"], ["!"], (position) => (position === 0 ? -1 : 1));
    const backgrounds = (level: ColorSupportLevel) =>
      ["less", "more"].map((word) => renderHeatMap(result, { columns: 80, level }).split(word)[0]?.slice(-24));
    for (const level of [1, 2, 3] as const) expect(new Set(backgrounds(level)).size).toBe(2);
    expect(renderHeatMap(result, { columns: 80, level: 3 })).toContain("−1 ");
  });

  it("shows the tokens with the largest scores of a prefix that is too long for three lines", () => {
    const head = Array.from({ length: 300 }, (_, i) => ` w${i}`);
    const drawn = stripVTControlCharacters(
      renderHeatMap(
        example(head, ["!"], (position) => (position === 150 ? 9 : position / 1000)),
        { columns: 60, level: 3 },
      ),
    );
    const prefix = drawn.slice(drawn.indexOf("\n1 ") + 1, drawn.indexOf("\n\n0 ")).split("\n");
    expect(prefix.length).toBeLessThanOrEqual(3);
    expect(prefix.join("")).toMatch(/… w150…/);
    expect(prefix.join("")).toContain(" w299");
    expect(prefix.join("")).not.toMatch(/ w1\b/);
  });

  it("takes scores that are all zero", () => {
    expect(
      renderHeatMap(
        example(["a"], ["b"], () => 0),
        { columns: 40, level: 3 },
      ),
    ).not.toContain("NaN");
  });
});

describe("renderTable", () => {
  it("has no escapes, keeps to the width and shows every token and score", () => {
    fc.assert(
      fc.property(texts, texts, fc.integer({ min: 60, max: 120 }), (head, rest, columns) => {
        const drawn = renderTable(example(head, rest, score(true)), { columns });
        expect(drawn).not.toMatch(control);
        for (const line of drawn.split("\n")) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
        expect(drawn.split("\n").filter((line) => line.startsWith("(probability)")).length).toBeGreaterThan(0);
      }),
    );
  });

  it("leaves out what comes after an output, and breaks into blocks", () => {
    const result = example(["The", " sky"], [" is", " blue", "!"], (position, output) => position + 1 + output / 10);
    expect(
      renderTable(result, { columns: 80 }),
    ).toBe(`org/tiny-model · saliency of probability · 2 prompt tokens, 3 outputs
generated in 0.50 s · attributed in 0.25 s

token \\ output  2 ␣is  3 ␣blue    4 !
-------------------------------------
0 The            1.00     1.10   1.20
1 ␣sky           2.00     2.10   2.20
2 ␣is                     3.10   3.20
3 ␣blue                          4.20
(probability)   0.333    0.250  0.200`);
    expect(renderTable(result, { columns: 24 }).match(/token \\ output/g)).toHaveLength(3);
  });
});

describe("render", () => {
  const result = example(["a"], ["b"]);
  const stream = (isTTY: boolean, columns?: number) => ({ isTTY, columns }) as unknown as NodeJS.WriteStream;
  const coloured = (isTTY: boolean, env: NodeJS.ProcessEnv) => render(result, stream(isTTY, 80), env).includes("\x1b[");

  it("draws in colour on a terminal only, unless NO_COLOR or FORCE_COLOR say otherwise", () => {
    expect(coloured(true, { TERM: "xterm-256color" })).toBe(true);
    expect(coloured(true, { TERM: "xterm-256color", NO_COLOR: "1" })).toBe(false);
    expect(coloured(true, { TERM: "dumb" })).toBe(false);
    expect(coloured(false, { TERM: "xterm-256color" })).toBe(false);
    expect(coloured(false, { FORCE_COLOR: "1" })).toBe(true);
    expect(coloured(false, { FORCE_COLOR: "0", TERM: "xterm" })).toBe(false);
    expect(coloured(true, { FORCE_COLOR: "0", TERM: "xterm" })).toBe(false);
  });

  it("takes as many colours as the terminal has", () => {
    const drawn = (env: NodeJS.ProcessEnv) => render(result, stream(true, 80), env);
    expect(drawn({ TERM: "xterm", COLORTERM: "truecolor" })).toContain("\x1b[48;2;");
    expect(drawn({ TERM: "xterm-256color" })).toContain("\x1b[48;5;");
    expect(drawn({ TERM: "ansi" })).toContain("\x1b[103m");
  });

  it("takes the width from the stream, from COLUMNS, or 80", () => {
    const long = example(
      Array.from({ length: 200 }, () => "word"),
      ["b"],
    );
    const widest = (target: NodeJS.WriteStream, env: NodeJS.ProcessEnv) =>
      Math.max(
        ...stripVTControlCharacters(render(long, target, { FORCE_COLOR: "3", ...env }))
          .split("\n")
          .map((line) => line.length),
      );
    expect(widest(stream(true, 60), {})).toBe(60);
    expect(widest(stream(false), { COLUMNS: "100" })).toBe(100);
    expect(widest(stream(false), {})).toBe(80);
  });
});
