import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { agreementTexts } from "../../src/viz/agreement.js";
import { compare } from "../../src/viz/visualize.js";
import { example } from "../example.js";
import { browserForTests, expectSound, looks } from "./browser.js";
import { eventually } from "./eventually.js";
import { type Served, served } from "./served.js";
import { stored } from "./stored.js";

const open = browserForTests();
const slots = (page: Page) => page.getByRole("main").getByRole("listitem");
const address = ({ ids }: Served, ...which: number[]) =>
  `compare?${new URLSearchParams({ ids: which.map((i) => ids[i]).join(",") })}`;
const idsOf = (page: Page) => new URL(page.url()).searchParams.get("ids")?.split(",");

async function pick(page: Page, search: { prompt?: string; method?: string }): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Choose a result" });
  if (search.prompt) await dialog.getByLabel("Prompt").fill(search.prompt);
  if (search.method) {
    await dialog.getByRole("combobox", { name: "Method" }).click();
    await page.getByRole("option", { name: search.method }).click();
  }
  const found = dialog.getByRole("listitem");
  await eventually(() => found.count()).toBe(1);
  await found.getByRole("button").click();
  await dialog.waitFor({ state: "hidden" });
}

/** Cells of the table of a section, without its head. */
const cells = (page: Page, label: string): Promise<string[][]> =>
  page
    .getByRole("region", { name: label, exact: true })
    .getByRole("row")
    .evaluateAll((rows) => rows.slice(1).map((row) => [...row.children].map((cell) => cell.textContent ?? "")));

describe("comparing", () => {
  it("begins with a choice of results, each found by a search", async () => {
    const { saliency, lime, other } = stored();
    const server = await served([saliency, lime, other]);
    const page = await open(server, "compare");
    await page.getByText("Choose what to compare").waitFor();
    expect(await page.getByRole("link", { name: "To the library" }).getAttribute("href")).toBe("/ui/library");
    await page.getByRole("button", { name: "Choose a result" }).click();
    await pick(page, { method: "lime" });
    await page.getByText("One more is needed").waitFor();
    await page.getByRole("button", { name: "Add a result" }).click();
    await pick(page, { prompt: "SEA" });
    expect(idsOf(page)).toEqual([server.ids[1], server.ids[0]]);
    await eventually(() => cells(page, "Agreement, table")).toHaveLength(1);

    await page.getByRole("button", { name: "Replace B" }).click();
    await pick(page, { prompt: "bees" });
    expect(idsOf(page)).toEqual([server.ids[1], server.ids[2]]);
    await page.getByRole("button", { name: "Remove A" }).click();
    await page.getByText("One more is needed").waitFor();
    for (const ids of [[1, 2], [1, 0], [1]]) {
      await page.goBack();
      await eventually(() => idsOf(page)).toEqual(ids.map((i) => server.ids[i]));
    }
  });

  it("shows all side by side, and figures of each pair as the library reckons them", async () => {
    const { saliency, lime, larger } = stored();
    const results = [saliency, lime, larger];
    const server = await served(results);
    const page = await open(server, address(server, 0, 1, 2));
    const wanted = (topK: number) =>
      compare(results, { topK }).map((pair) => [
        pair.results.map((place) => "ABC"[place]).join(" and "),
        ...agreementTexts(pair),
      ]);
    await eventually(() => cells(page, "Agreement, table")).toEqual(wanted(3));
    expect(await slots(page).filter({ hasText: "a-larger-model" }).getByLabel("Result C").count()).toBe(1);
    for (const name of ["saliency of probability", "lime of probability", "org/a-larger-model"])
      expect(await page.locator("token-lens").getByText(name).count()).toBeGreaterThan(0);

    await page.getByRole("textbox", { name: "Overlap of top" }).fill("1");
    await eventually(() => cells(page, "Agreement, table")).toEqual(wanted(1));
    await page.reload();
    await eventually(() => cells(page, "Agreement, table")).toEqual(wanted(1));
    const chart = page.getByRole("region", { name: "Agreement at each output" });
    await eventually(() => chart.locator('g[aria-label="dot"] path').count()).toBe(3 * 4 * 3);
    await chart.getByRole("button", { name: /as a table/ }).click();
    const [first] = compare(results, { topK: 1 });
    const rows = await cells(page, "Agreement at each output, table");
    expect(rows).toHaveLength(12);
    expect(rows[0]).toEqual([
      ...["A and B", "1", " blue", "6"],
      ...(["pearson", "spearman", "topOverlap"] as const).map((name) => first?.outputs[0]?.[name]?.toFixed(3)),
    ]);
  });

  it("keeps what the drawing tells in the address, beside the results", async () => {
    const { saliency, lime } = stored();
    const server = await served([saliency, lime]);
    const page = await open(server, address(server, 0, 1));
    const lens = page.locator("token-lens");
    await lens.getByText("lime of probability").first().waitFor();
    await lens.evaluate((element) =>
      element.dispatchEvent(new CustomEvent("lens-change", { detail: { strength: 0.5, unit: "word" } })),
    );
    const query = () => Object.fromEntries(new URL(page.url()).searchParams);
    await eventually(query).toMatchObject({ strength: "0.5", unit: "word", ids: server.ids.join(",") });
  });

  it("saves figures as CSV, and all as JSON", async () => {
    const { saliency, lime } = stored();
    const server = await served([saliency, lime]);
    const page = await open(server, address(server, 0, 1));
    const save = async (item: string) => {
      await page.getByRole("button", { name: "Save" }).click();
      const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("menuitem", { name: item }).click(),
      ]);
      return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
    };
    const csv = await save("Agreement, CSV");
    expect(csv.name).toBe("agreement.csv");
    const [pair] = compare([saliency, lime]);
    const rows: Record<string, string>[] = parse(csv.text, { columns: true });
    expect(rows.map(({ Pearson }) => Pearson)).toEqual(pair?.outputs.map(({ pearson }) => pearson?.toFixed(3)));
    const all = JSON.parse((await save("All, JSON")).text);
    expect(all).toMatchObject({ pairs: [JSON.parse(JSON.stringify(pair))], results: server.ids.map((id) => ({ id })) });
    expect(all.documents).toEqual([saliency, lime].map((result) => JSON.parse(JSON.stringify(result.toJSON()))));
  });

  it("goes on with the others where one has gone, and says when nothing can be compared", async () => {
    const { saliency, lime } = stored();
    const server = await served([saliency, example(["x"], [" y"]), lime]);
    const names = [server.ids[0], "gone, long since.json", server.ids[1]] as string[];
    const query = names.map((id) => id.replaceAll(",", "%2C")).join(",");
    const page = await open(server, `compare?${new URLSearchParams({ ids: query })}`, { expected: /404/ });
    const gone = slots(page).filter({ hasText: "gone, long since.json" });
    await gone.getByRole("alert").getByText("There is no result").waitFor();
    await page.getByText("have no output in common").waitFor();
    expect(await slots(page).getByLabel("Result B").count()).toBe(1);
    await gone.getByRole("button", { name: "Remove gone, long since.json" }).click();
    await eventually(() => idsOf(page)).toEqual([server.ids[0], server.ids[1]]);
  });

  it.each(Object.entries(looks))("has no faults: %s", async (_, look) => {
    const results = Object.values(stored());
    const server = await served(results);
    const page = await open(server, address(server, 0, 1, 2, 3), look);
    const chart = page.getByRole("region", { name: "Agreement at each output" });
    await chart.getByRole("button", { name: /as a table/ }).click();
    await chart.locator("svg").first().waitFor();
    await expectSound(page);
    await page.getByRole("button", { name: "Replace D" }).click();
    await page.getByRole("dialog").getByText("No other result").waitFor();
    await expectSound(page);
  });
});
