import { readFile } from "node:fs/promises";
import { parse } from "csv-parse/sync";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { occurrencesOf } from "../../src/server/importance/occurrences.js";
import { example } from "../example.js";
import { browserForTests, expectSound, looks } from "./browser.js";
import { eventually } from "./eventually.js";
import { served } from "./served.js";
import { stored } from "./stored.js";

const open = browserForTests();
const table = (page: Page) => page.getByRole("table", { name: "Tokens" });
/** Tokens in the order of the rows in sight. */
const tokens = (page: Page): Promise<string[]> =>
  table(page).locator("tbody tr[aria-rowindex] td:first-child").allTextContents();
const bars = (page: Page) => page.locator('g[aria-label="y-axis tick label"] text');

describe("token importance", () => {
  it("sets the tokens of all results in order, by the aggregation that is chosen", async () => {
    const results = Object.values(stored());
    const page = await open(await served(results), "importance");
    const places = results.flatMap((result) => occurrencesOf(result, "token").filter(({ role }) => role === "prompt"));
    const names = [...new Set(places.map(({ token }) => token))];
    const sum = (token: string) =>
      places.filter((place) => place.token === token).reduce((total, { share }) => total + share, 0);
    const count = (token: string) => places.filter((place) => place.token === token).length;
    const sorted = (figure: (token: string) => number) => names.toSorted((a, b) => figure(b) - figure(a));
    await eventually(() => tokens(page)).toEqual(sorted(sum));
    await eventually(() => bars(page).allTextContents()).toEqual(sorted(sum));
    expect(await table(page).getByRole("row").nth(1).getByRole("cell").nth(1).textContent()).toBe(
      sum("sky").toFixed(2),
    );

    await table(page).getByRole("button", { name: "Mean share" }).click();
    const means = sorted((token) => sum(token) / count(token));
    expect(means).not.toEqual(sorted(sum));
    await eventually(() => tokens(page)).toEqual(means);
    expect(await page.getByRole("columnheader", { name: "Mean share" }).getAttribute("aria-sort")).toBe("descending");
    await eventually(() => bars(page).allTextContents()).toEqual(means);
    await page.reload();
    await eventually(() => tokens(page)).toEqual(means);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "All as CSV" }).click(),
    ]);
    const rows: Record<string, string>[] = parse(await readFile(await file.path()), { columns: true });
    expect(rows.map(({ token, mean }) => [token, Number(mean).toFixed(6)])).toEqual(
      means.map((token) => [token, (sum(token) / count(token)).toFixed(6)]),
    );
  });

  it("is of the results, the part of the text and the tokens that are asked for", async () => {
    const page = await open(await served(Object.values(stored())), "importance");
    await page.getByText("8 tokens of 4 results").waitFor();
    const choose = async (label: string, option: RegExp) => {
      await page.getByRole("combobox", { name: label }).click();
      await page.getByRole("option", { name: option }).click();
    };
    await choose("Method", /^lime/);
    await eventually(async () => (await tokens(page))[0]).toBe("sea");
    await page.getByText("6 tokens of 1 result").waitFor();
    await choose("Model", /larger/);
    await page.getByText("No such token").waitFor();
    await page.getByRole("combobox", { name: "Method" }).click();
    await page.getByRole("option", { name: /^lime/ }).click(); // deselects
    await eventually(async () => (await tokens(page))[0]).toBe("sky");
    await page.getByText("Continuation", { exact: true }).click();
    await eventually(async () => (await tokens(page)).sort()).toEqual(["and", "blue", "wide"]);
    await page.getByLabel("Token", { exact: true }).fill("LU");
    await eventually(() => tokens(page)).toEqual(["blue"]);
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({
      ...{ model: "org/a-larger-model", part: "target", token: "LU" },
    });
  });

  it("leaves out punctuation and marks of templates, and what is seen too seldom, where asked to", async () => {
    const odd = example(["<|im_start|>", "a", ",", " a", " b"], [" x"]);
    const page = await open(await served([odd]), "importance");
    await eventually(async () => (await tokens(page)).sort()).toEqual([",", "<|im_start|>", "a", "b"]);
    await page.getByRole("switch", { name: "No punctuation, no template" }).click();
    await eventually(async () => (await tokens(page)).sort()).toEqual(["a", "b"]);
    await page.getByRole("textbox", { name: "Places, at least" }).fill("2");
    await eventually(() => tokens(page)).toEqual(["a"]);
  });

  it("leads to the results where a token matters most", async () => {
    const { saliency, lime } = stored();
    const server = await served([saliency, lime]);
    const page = await open(server, "importance");
    await page.getByRole("button", { name: "Show where sea matters most" }).click();
    const places = page.getByRole("dialog", { name: "Where “sea” matters most" }).getByRole("listitem");
    await places.filter({ hasText: "lime" }).waitFor();
    expect(await places.count()).toBe(2);
    await places.first().getByRole("link").click();
    await page.getByRole("heading", { level: 1, name: "Explore" }).waitFor();
    const { pathname, searchParams } = new URL(page.url());
    expect(decodeURIComponent(pathname)).toBe(`/ui/explore/${server.ids[1]}`);
    expect(JSON.parse(searchParams.get("pinned") ?? "")).toEqual({ result: 0, position: 4 });
  });

  it("has only the rows in sight of a long list in the document", async () => {
    const many = Array.from({ length: 1000 }, (_, i) => ` word${i}`);
    const page = await open(await served([example(many, [" x"], (position) => 1000 - position)]), "importance");
    await eventually(async () => (await tokens(page))[0]).toBe("word0");
    expect(await table(page).getAttribute("aria-rowcount")).toBe("1001");
    expect((await tokens(page)).length).toBeLessThan(60);
    await page.getByRole("region", { name: "All tokens" }).evaluate((region) => region.scrollTo(0, 1e6));
    await eventually(async () => (await tokens(page)).at(-1)).toBe("word999");
    expect((await tokens(page)).length).toBeLessThan(60);
  });

  it("says what to do where there are no results", async () => {
    const page = await open(await served(), "importance");
    await page.getByText("No results yet").waitFor();
    await page.getByRole("link", { name: "New attribution" }).click();
    await page.getByRole("heading", { level: 1, name: "New attribution" }).waitFor();
  });

  it.each(Object.entries(looks))("has no faults: %s", async (_, look) => {
    const page = await open(await served(Object.values(stored())), "importance", look);
    await page.getByRole("button", { name: "What matters most as a table" }).click();
    await bars(page).first().waitFor();
    await expectSound(page);
    await page.getByRole("button", { name: "Show where sky matters most" }).click();
    await page.getByRole("dialog").getByText("a-larger-model").waitFor();
    await expectSound(page);
  });
});
