import { readFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { parse } from "csv-parse/sync";
import { max, mean, median, min } from "simple-statistics";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { compareReports } from "../../src/bench/compare.js";
import { reportPage } from "../../src/bench/html.js";
import { likenessMeans } from "../../src/bench/likeness.js";
import { writeReport } from "../../src/bench/reporting.js";
import { type CheckedRow, type FailedRow, type Report, readReport } from "../../src/bench/schema.js";
import { summaryText } from "../../src/bench/text.js";
import { temporaryFolder } from "../tiny-model.js";
import { browserForTests } from "../viz/browser.js";
import { likenesses, noisyRows, report, row } from "./rows.js";

const folder = temporaryFolder();
const open = browserForTests();
const methods = { saliency: 0.5, lime: 3, attention: 0.1 };
const failed: FailedRow = {
  ...{ model: "tiny", method: "lime", prompt: 0, repeat: 3, status: "crashed" },
  error: { code: "ERR_TOKENLENSE_NATIVE", message: "The process <ended>.", hint: "Look at it." },
};
const measured = [...noisyRows(methods), ...noisyRows(methods, 5).map((one) => ({ ...one, model: "small" }))];
const faithfulness = (beyond: number) => ({
  ...{ comprehensiveness: 0.3 + beyond, sufficiency: 0.1, deletion: 0.2, insertion: 0.6 },
  random: { comprehensiveness: 0.25, sufficiency: 0.21, deletion: 0.4, insertion: 0.42 },
  curves: {
    points: [0, 0.5, 1],
    ...{ deletion: [0.7, 0.3 - beyond, 0.1], randomDeletion: [0.7, 0.4, 0.1] },
    ...{ insertion: [0.1, 0.5 + beyond, 0.7], randomInsertion: [0.1, 0.4, 0.7] },
  },
});

type Line = Record<string, string>;
const csv = (name: string): Line[] => parse(readFileSync(join(folder, name), "utf8"), { columns: true });

/** Each summary of a file must be what its cells come to. */
function recomputed(file: string, keys: string[], figures: readonly string[]): Line[] {
  const cells = csv("cells.csv");
  const summaries = csv(file);
  for (const summary of summaries) {
    const own = cells.filter((cell) => keys.every((key) => cell[key] === summary[key]));
    expect(own).toHaveLength(Number(summary.rows));
    expect(own.filter(({ status }) => status !== "ok")).toHaveLength(Number(summary.failed));
    for (const figure of figures) {
      const values = own.filter((cell) => cell[figure] !== "").map((cell) => Number(cell[figure]));
      expect([summary[figure], summary[`${figure}Least`], summary[`${figure}Most`]].map(Number)).toEqual([
        median(values),
        min(values),
        max(values),
      ]);
    }
  }
  return summaries;
}

describe("writeReport", () => {
  it("stores tables, report and text whose numbers are those of its own cells", async () => {
    const whole = report([...measured, failed]);
    await writeReport(folder, whole);
    const figures = ["attributeSeconds", "attributeTokensPerSecond", "peakBytes", "flops", "shareOfLimit"];
    const byMethod = recomputed("methods.csv", ["model", "method"], figures);
    expect(byMethod).toHaveLength(6);
    expect(recomputed("prompts.csv", ["prompt"], figures)).toHaveLength(3);
    expect(recomputed("models.csv", ["model"], figures)).toHaveLength(2);
    expect(Object.keys(csv("cells.csv")[0] ?? {})).not.toContain("comprehensiveness");

    expect(await readReport(folder)).toEqual(whole);
    const lime = byMethod.find(({ model, method }) => model === "tiny" && method === "lime");
    const shown = Number(lime?.attributeSeconds).toFixed(2);
    expect(Number(shown)).toBeGreaterThan(5);
    const html = readFileSync(join(folder, "report.html"), "utf8");
    expect(html).toMatch(new RegExp(`<tr><td>tiny</td><td>lime</td><td>[\\d.]+</td><td>${shown}</td>.*1 of 10`));
    expect(html).toContain("The process &lt;ended&gt;.");
    const text = readFileSync(join(folder, "summary.txt"), "utf8");
    expect(text).toMatch(new RegExp(`\\| tiny +\\| lime +\\| +[\\d.]+ \\| +${shown} \\|`));
    expect(text).toContain("1 of 55 cells failed");
    expect(readFileSync(join(folder, "errors.log"), "utf8")).toBe(
      "tiny · lime · prompt 0 · repeat 3: crashed, The process <ended>. (ERR_TOKENLENSE_NATIVE) Look at it.\n",
    );
    expect(JSON.parse(readFileSync(join(folder, "system.json"), "utf8"))).toEqual(whole.system);
  });

  it("has columns of faithfulness where it was measured, beside random's", async () => {
    const assessed = measured.map((one) =>
      one.repeat === 0 ? { ...one, faithfulness: faithfulness(0.1 * (one.prompt + 1)) } : one,
    );
    await writeReport(folder, report(assessed));
    const [summary] = recomputed("methods.csv", ["model", "method"], ["comprehensiveness", "randomDeletion"]);
    expect(Number(summary?.comprehensiveness)).toBe(0.5);
    const cells = csv("cells.csv");
    const html = readFileSync(join(folder, "report.html"), "utf8");
    const text = readFileSync(join(folder, "summary.txt"), "utf8");
    const means = csv("faithfulness.csv");
    expect(means).toHaveLength(6);
    for (const line of means) {
      const own = cells.filter(
        ({ model, method, repeat }) => repeat === "0" && model === line.model && method === line.method,
      );
      expect(own).toHaveLength(Number(line.prompts));
      for (const name of ["comprehensiveness", "sufficiency", "deletion", "insertion"]) {
        const random = `random${name.charAt(0).toUpperCase()}${name.slice(1)}`;
        const values = (column: string) => own.map((cell) => Number(cell[column]));
        const [attribution, chance] = [mean(values(name)), mean(values(random))];
        expect(Number(line[name])).toBeCloseTo(attribution, 12);
        expect(Number(line[`${name}Random`])).toBeCloseTo(chance, 12);
        const difference = Number(line[`${name}Difference`]);
        expect(difference).toBeCloseTo(attribution - chance, 12);
        expect(Number(line[`${name}Low`])).toBeLessThanOrEqual(difference + 1e-12);
        expect(Number(line[`${name}High`])).toBeGreaterThanOrEqual(difference - 1e-12);
      }
      const [low, high] = [Number(line.comprehensivenessLow), Number(line.comprehensivenessHigh)];
      // Of 0.15, 0.25 and 0.35 beyond chance.
      expect(low).toBeGreaterThan(0.1);
      expect(high).toBeLessThan(0.4);
      expect(high - low).toBeGreaterThan(0.05);
      const cell = `${Number(line.comprehensivenessDifference).toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
      expect(html).toContain(`<td>${cell}</td>`);
      expect(text).toContain(` ${cell} |`);
    }
    expect(html).toContain("Speed against faithfulness");
    const points = csv("curves.csv");
    expect(points).toHaveLength(6 * 3 * 3);
    const middle = points.find(({ prompt, point }) => prompt === "1" && point === "0.5");
    expect(middle).toMatchObject({ name: "prompt 1", deletion: "0.09999999999999998", randomInsertion: "0.4" });
  });

  it("has what methods agree on, and what random weights leave of them, as its own tables come to", async () => {
    const whole = report(measured, likenesses(["tiny", "small"], Object.keys(methods)));
    const late: CheckedRow = {
      ...{ model: "tiny", method: "lime", prompt: 0, stage: "all", status: "timeout" },
      error: { code: "ERR_TOKENLENSE_CANCELLED", message: "It was not through." },
    };
    const blank = { ...whole.agreement[0], prompt: 3, spearman: undefined, topOverlap: undefined };
    const agreement = [...whole.agreement, blank as Report["agreement"][number]];
    const randomisation = [...whole.randomisation.filter((row) => row.prompt > 0 || row.stage !== "all"), late];
    const own = { ...whole, agreement, randomisation, ...likenessMeans({ agreement, randomisation }) };
    await writeReport(folder, own);
    expect(await readReport(folder)).toEqual(own);
    const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(folder, "report.schema.json"), "utf8")));
    const stored = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));
    expect(schema.safeParse(stored).error).toBeUndefined();
    expect(schema.safeParse({ ...stored, randomisation: [{ ...late, stage: "tail" }] }).success).toBe(false);

    const sources = [
      ["agreement", ["model", "method", "other"], 6],
      ["randomisation", ["model", "method", "stage"], 18],
    ] as const;
    const shown: string[] = [];
    for (const [name, keys, count] of sources) {
      const means = csv(`${name}-means.csv`);
      expect(means).toHaveLength(count);
      const lines = csv(`${name}.csv`).filter(({ status = "ok" }) => status === "ok");
      for (const line of means) {
        const of = lines.filter((one) => keys.every((key) => one[key] === line[key]));
        expect(of).toHaveLength(Number(line.prompts));
        for (const figure of ["spearman", "topOverlap"])
          expect(Number(line[figure])).toBe(mean(of.flatMap((one) => (one[figure] ? Number(one[figure]) : []))));
        const [spearman, overlap] = [Number(line.spearman).toFixed(3), (100 * Number(line.topOverlap)).toFixed(0)];
        shown.push(`${spearman.replace("-", "−")}, ${overlap} %`);
      }
    }
    expect(csv("randomisation.csv").find(({ status }) => status === "timeout")).toMatchObject({
      ...{ method: "lime", name: "prompt 0", error: "ERR_TOKENLENSE_CANCELLED", spearman: "" },
    });
    const html = readFileSync(join(folder, "report.html"), "utf8");
    const text = readFileSync(join(folder, "summary.txt"), "utf8");
    for (const cell of shown) {
      expect(html).toContain(`<td>${cell}</td>`);
      expect(text).toContain(` ${cell} |`);
    }
    expect(text).toContain("1 of 49 checks failed:\n  tiny · lime · prompt 0 · random weights, all: timeout");
    expect(readFileSync(join(folder, "errors.log"), "utf8")).toContain("random weights, all");
  });

  it("can say that nothing was measured", () => {
    const none = report([failed], { ended: null, cells: 3 });
    expect(summaryText(none)).toContain("1 of 3 cells; the run was stopped.");
    expect(reportPage([none])).toContain("0 of 3 cells measured, stopped before its end");
  });

  it("refuses what is no report", async () => {
    await expect(readReport(join(folder, "system.json"))).rejects.toMatchObject({ code: "ERR_TOKENLENSE_FORMAT" });
    await expect(readReport(join(folder, "absent"))).rejects.toMatchObject({ code: "ERR_TOKENLENSE_FILE" });
  });
});

describe("the page", () => {
  const lengths = measured.map((one) => ({ ...one, promptTokens: 10 * (1 + one.prompt) }));
  const rows = lengths.map((one) => ({ ...one, faithfulness: faithfulness(one.attributeSeconds / 10) }));
  const alike = likenesses(["tiny", "small"], Object.keys(methods));
  const slower = rows.map((one) => ({ ...one, attributeSeconds: 2 * one.attributeSeconds }));
  const runs = [report(rows, alike), report(slower, alike)];

  it.each(["light", "dark"] as const)("shows every picture and breaks no rule of accessibility, %s", async (scheme) => {
    const page = await open(reportPage(runs, compareReports(runs)), { colorScheme: scheme });
    const titles = [
      "Runs beside one another",
      "Time per token",
      "Tokens per second",
      "Scaling with length",
      "Speed against faithfulness",
      "Deletion and insertion",
    ];
    for (const title of [...titles, "Agreement of methods", "Sensitivity to the model's weights", "Memory"]) {
      const section = page.locator("section", { has: page.getByRole("heading", { name: title }) });
      expect(await section.locator("svg :is(circle, rect, path)").count()).toBeGreaterThan(10);
    }
    expect(await page.getByRole("cell", { name: "slower" }).count()).toBe(6);
    await page.evaluate(axe.source);
    const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });

  it("marks each attribution once, and the fastest method first", async () => {
    const page = await open(reportPage([report(noisyRows(methods))]));
    const section = page.locator("section", { has: page.getByRole("heading", { name: "Time per token" }) });
    expect(await section.locator("circle").count()).toBe(27);
    const labels = await section.locator('[aria-label="y-axis tick label"] text').allTextContents();
    expect(labels).toEqual(["attention", "saliency", "lime"]);
  });

  it("sets each method's speed against its faithfulness by one mark in each model", async () => {
    const page = await open(reportPage([report(rows)]));
    const section = page.locator("section", { has: page.getByRole("heading", { name: "Speed against faithfulness" }) });
    expect(await section.locator('g[aria-label="dot"] path').count()).toBe(6);
  });

  it("draws each pair of methods in both orders, and each stage of each method", async () => {
    const page = await open(reportPage([report(rows, alike)]));
    const marks = (name: string, mark: string) =>
      page.locator("section", { has: page.getByRole("heading", { name, exact: true }) }).locator(`svg ${mark}`);
    expect(await marks("Agreement of methods", 'g[aria-label="cell"] rect').count()).toBe(2 * 6);
    expect(await marks("Deletion and insertion", 'g[aria-label="line"] path').count()).toBe(2 * 2 * (3 + 1));
    expect(await marks("Sensitivity to the model's weights", 'g[aria-label="dot"] path').count()).toBe(2 * 9);
  });

  it("lets no name become markup", () => {
    const html = reportPage([report([row({ method: "<b>x</b>", model: "<i>y</i>" })])]);
    expect(html).not.toMatch(/<[bi]>/);
  });
});
