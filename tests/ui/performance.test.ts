import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { significant } from "../../src/bench/numbers.js";
import type { Report } from "../../src/bench/schema.js";
import { browserForTests, expectSound, looks } from "./browser.js";
import { eventually } from "./eventually.js";
import { cutOff, measuredFolder, runs } from "./measured.js";
import { served } from "./served.js";
import { stored } from "./stored.js";

const open = browserForTests();
const titles = ["Time per token", "Tokens per second", "Scaling with length", "Speed against faithfulness", "Memory"];
const chart = (page: Page, title: string) => page.getByRole("region", { name: title, exact: true });
const headings = (page: Page) => page.getByRole("main").getByRole("heading", { level: 2 });

async function tableOf(page: Page, title: string): Promise<string[][]> {
  const rows = chart(page, title)
    .getByRole("region", { name: `${title}, table` })
    .getByRole("row");
  if ((await rows.count()) === 0) await page.getByRole("button", { name: `${title} as a table` }).click();
  return rows.evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent ?? "")));
}

/** As the benchmark itself summarises its rows. */
const rates = ({ methods }: Report) =>
  methods.map(({ model = "", method = "", figures }) => [
    ...[model.split("/").at(-1) ?? "", method],
    significant(figures.attributeTokensPerSecond?.median ?? 0),
  ]);

describe("performance", () => {
  it("says how to measure where nothing was, and tells of what was cut off", async () => {
    const folder = await measuredFolder([]);
    cutOff(folder, "bench-killed");
    const page = await open(await served([], { folder }), "performance");
    await page.getByText("Nothing has been measured yet").waitFor();
    await page.getByText("tokenlense bench run", { exact: true }).waitFor();
    await page.getByText("tokenlense bench run --resume --output bench-killed").waitFor();
    await expectSound(page);
  });

  it("draws the newest run, with its figures as tables", async () => {
    const page = await open(await served([], { folder: await measuredFolder() }), "performance");
    await eventually(() => headings(page).allTextContents()).toEqual(titles);
    for (const title of titles)
      await eventually(() => chart(page, title).locator("svg :is(circle, rect, path)").count()).toBeGreaterThan(7);
    expect((await tableOf(page, "Tokens per second")).slice(1).sort()).toEqual(
      rates(runs["bench-new"] as Report).sort(),
    );
    const points = await tableOf(page, "Speed against faithfulness");
    expect(points).toHaveLength(1 + 8);
    await eventually(() => chart(page, "Speed against faithfulness").locator('g[aria-label="dot"] path').count()).toBe(
      8,
    );
  });

  it("sets several runs side by side, as the address has them", async () => {
    const server = await served(Object.values(stored()), { folder: await measuredFolder() });
    const page = await open(server, "performance");
    await page.getByRole("checkbox", { name: /^bench-old/ }).click();
    await eventually(() => headings(page).allTextContents()).toEqual(["Runs beside one another", ...titles]);
    const [head, ...rows] = await tableOf(page, "Runs beside one another");
    expect(head).toEqual([
      "model",
      "method",
      expect.stringContaining("Another CPU"),
      expect.stringContaining("Some <CPU>"),
    ]);
    expect(rows).toHaveLength(8);
    for (const [, , after, before] of rows) expect(Number(before) / Number(after)).toBeCloseTo(2, 1);
    await eventually(() => chart(page, "Runs beside one another").locator('g[aria-label="dot"] path').count()).toBe(16);

    await page.getByRole("checkbox", { name: /^bench-new/ }).click();
    await page.getByRole("checkbox", { name: /^Stored results/ }).click();
    expect(new URL(page.url()).searchParams.getAll("run")).toEqual(["bench-old", "Stored results"]);
    await page.reload();
    const found = await tableOf(page, "Tokens per second");
    expect(found.filter(([run]) => run === "Stored results").map(([, ...cells]) => cells)).toEqual(
      expect.arrayContaining([["a-larger-model", "saliency", significant(4 / 0.25)]]),
    );
    for (const name of [/^bench-old/, /^Stored results/]) await page.getByRole("checkbox", { name }).click();
    await page.getByText("No run is chosen").waitFor();
  });

  it("draws what stored results say of their times where no run is there", async () => {
    const page = await open(await served(Object.values(stored())), "performance");
    await page.getByText("Only the times of stored results are known").waitFor();
    await eventually(() => headings(page).allTextContents()).toEqual(titles.slice(0, 2));
    expect(
      (await tableOf(page, "Time per token"))
        .slice(1)
        .map(([model, method]) => `${model} ${method}`)
        .sort(),
    ).toEqual([...["a-larger-model saliency", "tiny-model lime", "tiny-model saliency"]]);
  });

  it.each(Object.entries(looks))("has no faults: %s", async (_, look) => {
    const server = await served([], { folder: await measuredFolder() });
    const page = await open(server, "performance?run=bench-new&run=bench-old", look);
    for (const title of ["Runs beside one another", ...titles]) await tableOf(page, title);
    await page.locator(".drawing svg").last().waitFor();
    await expectSound(page);
  });
});
