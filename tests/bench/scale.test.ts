import fc from "fast-check";
import { expect, it } from "vitest";
import { fitGrowth, scaleTable } from "../../src/bench/scale.js";
import { report, row } from "./rows.js";

const sweep = (cost: (prompt: number, output: number) => number, outputs = [4, 8, 16]) =>
  [16, 32, 64].flatMap((promptTokens, i) =>
    outputs.map((outputTokens, j) =>
      row({
        prompt: i * outputs.length + j,
        promptTokens,
        outputTokens,
        attributeSeconds: cost(promptTokens, outputTokens),
      }),
    ),
  );
const exponent = fc.double({ min: 0, max: 3, noNaN: true });

it("finds the powers that a cost grows by", () => {
  fc.assert(
    fc.property(exponent, exponent, fc.double({ min: 1e-5, max: 1, noNaN: true }), (prompt, output, factor) => {
      const [found] = fitGrowth(sweep((p, t) => factor * p ** prompt * t ** output));
      expect(found?.prompt).toBeCloseTo(prompt, 6);
      expect(found?.output).toBeCloseTo(output, 6);
      expect((found?.factor ?? 0) / factor).toBeCloseTo(1, 6);
      if (prompt + output > 0.1) expect(found?.r2).toBeCloseTo(1, 6);
    }),
  );
});

it("fits nothing to a single length", () => {
  expect(fitGrowth(sweep((p) => p, [4]))).toEqual([]);
});

it("has methods in the order of their names", () => {
  const rows = sweep((p, t) => p * t).flatMap((one) => [
    { ...one, method: "saliency" },
    { ...one, method: "attention" },
  ]);
  expect(fitGrowth(rows).map(({ method }) => method)).toEqual(["attention", "saliency"]);
});

it("prints a table of medians in Markdown, with the machine", () => {
  const rows = sweep((p, t) => (p * t) / 1000);
  const lines = scaleTable(report(rows, { kind: "scale", fits: fitGrowth(rows) })).split("\n");
  expect(lines[0]).toMatch(/^\| model +\| tokens +\| method/);
  expect(lines.find((line) => line.includes("32 + 8"))).toMatch(/`saliency` \| 0\.256 +\| 32\.0 /);
  expect(lines.find((line) => line.includes("2.00×"))).toContain("1.000");
  expect(lines.at(-1)).toContain("Some <CPU> (AVX2)");
});
