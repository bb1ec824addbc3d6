import { describe, expect, it } from "vitest";
import { compareReports, comparisonRows } from "../../src/bench/compare.js";
import { noisyRows, report, row } from "./rows.js";

const seconds = { saliency: 0.5, lime: 3, attention: 0.1 };
const verdicts = (base: Parameters<typeof report>[0], other: Parameters<typeof report>[0]) =>
  Object.fromEntries(
    (compareReports([report(base), report(other)])[0]?.methods ?? [])
      .filter(({ figure }) => figure === "seconds")
      .map(({ method, verdict }) => [method, verdict]),
  );

describe("compareReports", () => {
  it("finds what is faster and slower, and takes noise for what it is", () => {
    const other = noisyRows({ saliency: 0.5, lime: 2, attention: 0.15 }, 2);
    expect(verdicts(noisyRows(seconds), other)).toEqual({ saliency: "same", lime: "less", attention: "more" });
    for (let seed = 3; seed < 23; seed++)
      expect(verdicts(noisyRows(seconds), noisyRows(seconds, seed))).toEqual({
        saliency: "same",
        lime: "same",
        attention: "same",
      });
  });

  it("says so where noise hides the change, and where there are too few measurements", () => {
    const wild = noisyRows({ lime: 3 }).map((measured, i) => ({
      ...measured,
      attributeSeconds: measured.attributeSeconds * (i % 3 === 0 ? 0.5 : i % 3 === 1 ? 1 : 2),
    }));
    expect(verdicts(wild, noisyRows({ lime: 3.4 }))).toEqual({ lime: "unclear" });
    expect(verdicts([row()], [row({ attributeSeconds: 5 })])).toEqual({ saliency: "too few" });
  });

  it("gives the ratio over prompts that both have, of models by their own names", () => {
    const base = report(noisyRows({ lime: 3 }));
    const rows = noisyRows({ lime: 6 }).map((measured) => ({ ...measured, model: "/elsewhere/tiny.gguf" }));
    const fourth = row({ method: "lime", prompt: 3, model: "/elsewhere/tiny.gguf" });
    const other = report([...rows, fourth]);
    for (const model of other.models) model.name = "tiny";
    const [comparison] = compareReports([base, other]);
    const found = comparison?.methods.find(({ figure }) => figure === "seconds");
    expect(found).toMatchObject({ model: "tiny float32", method: "lime", prompts: 3, verdict: "more" });
    expect(found?.ratio).toBeCloseTo(2, 1);
    expect(found?.low).toBeLessThanOrEqual(found?.ratio ?? 0);
    expect(found?.high).toBeGreaterThanOrEqual(found?.ratio ?? 0);
    expect(comparisonRows(comparison as NonNullable<typeof comparison>)[1]).toContain("slower");
  });

  it("compares nothing where nothing is shared", () => {
    expect(verdicts(noisyRows({ lime: 3 }), noisyRows({ saliency: 3 }))).toEqual({});
  });
});
