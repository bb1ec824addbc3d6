import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { browserForTests, expectSound, looks, patience } from "./browser.js";
import { served } from "./served.js";

const open = browserForTests();

const score = (position: number, output: number) => 1 + ((position * 7 + output * 3) % 11) + position / 10;
const paris = () => example(["The", " capital", " of", " France"], [" is", " Paris", "."], score);
const other = () => example(["Two", " plus"], [" two"], score, { method: "lime", timestamp: new Date("2025-05-01") });

const token = (page: Page, position: number) => page.getByRole("listbox").getByRole("option").nth(position);
const view = (page: Page) => new URL(page.url()).searchParams;
const downloaded = async (page: Page, press: () => Promise<void>) => {
  const [download] = await Promise.all([page.waitForEvent("download"), press()]);
  return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
};

describe("a result", () => {
  it("is chosen among the newest, and says what it is", async () => {
    const page = await open(await served([paris(), other()]), "explore");
    await page.getByRole("link", { name: /The capital of France/ }).click();
    await token(page, 5).waitFor();
    await expect.poll(() => page.title(), patience).toBe("The capital of France · TokenLens");
    const facts = page.getByRole("region", { name: "About this result" });
    for (const text of ["org/tiny-model", "saliency", "7 × 3", "1.00 GFLOP", "1.0 MiB", "2.13.0", "0.5"])
      await facts.getByText(text, { exact: true }).first().waitFor();
  });

  it("is opened by its link as it was looked at: filters, scores, a pinned token", async () => {
    const live = await served([paris()]);
    const page = await open(live, `explore/${live.ids[0]}`, { permissions: ["clipboard-read", "clipboard-write"] });
    await page.getByLabel("Scores").selectOption("raw");
    await page.getByLabel("Top k (0: all)").fill("2");
    await page.getByLabel(/^Strength/).fill("30");
    await token(page, 5).click();
    await expect
      .poll(() => Object.fromEntries(view(page)), patience)
      .toMatchObject({
        ...{ normalisation: "raw", topK: "2", strength: "0.3" },
        pinned: JSON.stringify({ result: 0, position: 5 }),
      });
    await expect.poll(() => page.locator(".details").textContent(), patience).toContain("Paris");
    const details = await page.locator(".details").textContent();
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Link copied" }).waitFor();
    const link = (await page.evaluate("navigator.clipboard.readText()")) as string;
    expect(link).toBe(page.url());

    const again = await open(live, link.slice(`${live.url}/ui/`.length));
    await token(again, 5).waitFor();
    await expect.poll(() => again.locator(".details").textContent(), patience).toBe(details);
    expect(await again.getByLabel("Scores").inputValue()).toBe("raw");
    expect(await again.getByLabel("Top k (0: all)").inputValue()).toBe("2");
    expect(again.url()).toBe(link);
    // What is taken back is not in the link.
    await again.getByLabel("Scores").selectOption("inseq");
    await again.getByLabel("Top k (0: all)").fill("0");
    await expect.poll(() => [...view(again).keys()].sort(), patience).toEqual(["pinned", "strength"]);
    await again.keyboard.press("Escape");
  });

  it("keeps its view when the colours change", async () => {
    const live = await served([paris()]);
    const page = await open(live, `explore/${live.ids[0]}?topK=1`, { colorScheme: "light" });
    await token(page, 5).click();
    await page.getByTitle("Dark").click();
    await page.locator(".page[data-theme=dark]").waitFor();
    expect(await page.getByLabel("Top k (0: all)").inputValue()).toBe("1");
    expect(view(page).get("pinned")).not.toBeNull();
  });

  it("is saved as a picture, as JSON and for Inseq", async () => {
    const live = await served([paris()]);
    const page = await open(live, `explore/${live.ids[0]}`);
    await token(page, 5).waitFor();
    const save = (name: string) => downloaded(page, () => page.getByRole("button", { name, exact: true }).click());
    expect((await save("SVG")).content.toString()).toMatch(/^<svg/);
    expect((await save("PNG")).content.subarray(1, 4).toString()).toBe("PNG");
    expect(JSON.parse((await save("JSON")).content.toString()).metadata.prompt).toBe("The capital of France");
    await page.getByRole("button", { name: "More" }).click();
    const inseq = await downloaded(page, () => page.getByRole("menuitem", { name: "Save for Inseq" }).click());
    expect(inseq.name).toBe("20250403_123045_tiny-model_The_capital_of_France_inseq.json");
    const folder = mkdtempSync(join(tmpdir(), "tokenlense-inseq-"));
    try {
      writeFileSync(join(folder, inseq.name), inseq.content);
      using again = await load(join(folder, inseq.name));
      expect([...again.scores]).toEqual([...paris().scores]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("shows scores that its file keeps beside", async () => {
    // Two heads for each token: the document has their mean, or nothing where they are very many.
    const length = 260;
    const texts = Array.from({ length }, (_, i) => ` w${i}`);
    const large = example(texts.slice(0, 5), texts.slice(5), (position, output) => (position === 2 ? 10 + output : 1));
    const live = await served([large]);
    const { data } = (await (await fetch(`${live.url}/results/${live.ids[0]}`)).json()) as {
      data: { association_matrix: unknown[] };
    };
    expect(data.association_matrix).toEqual([]);
    const page = await open(live, `explore/${live.ids[0]}?normalisation=raw`);
    await token(page, 7).click();
    expect(await page.locator(".details").textContent()).toMatch(/w212/);
  });

  it("is one of several sequences of a file", async () => {
    const live = await served();
    const first = await save(paris(), live.folder, { format: "inseq" });
    const file = JSON.parse(readFileSync(first, "utf8"));
    const { attributes } = file;
    attributes.sequence_attributions.push(attributes.sequence_attributions[0]);
    for (const texts of ["input_texts", "generated_texts"])
      attributes.info[texts] = [attributes.info[texts][0], attributes.info[texts][0]];
    writeFileSync(first, JSON.stringify(file));
    const page = await open(live, `explore/${first.slice(live.folder.length + 1)}`);
    await token(page, 5).waitFor();
    await page.getByRole("button", { name: "2", exact: true }).click();
    await expect.poll(() => view(page).get("sequence"), patience).toBe("1");
    await token(page, 5).waitFor();
  });

  it("is compared with others", async () => {
    const live = await served([paris(), other()]);
    const page = await open(live, `explore/${live.ids[0]}`);
    await page.getByRole("button", { name: "Compare with…" }).click();
    const dialog = page.getByRole("dialog", { name: "Compare with" });
    await dialog.getByLabel("Search prompts").fill("plus");
    await dialog.getByRole("checkbox", { name: /Two plus/ }).check();
    expect(await dialog.getByRole("checkbox").count()).toBe(1);
    await dialog.getByRole("button", { name: "Compare" }).click();
    await page.getByRole("heading", { level: 1, name: "Compare" }).waitFor();
    expect(view(page).get("ids")).toBe(live.ids.join(","));
  });

  it("that is not there says so, and there is a way on", async () => {
    const page = await open(await served(), "explore/none.json", { expected: /404/ });
    await page.getByRole("alert").getByText('There is no result "none.json".').waitFor();
    await page.getByRole("alert").getByText("ERR_TOKENLENSE_NOT_FOUND").waitFor();
    await page.getByRole("link", { name: "Explore", exact: true }).click();
    await page.getByText("No results yet").waitFor();
  });

  it.each(Object.entries(looks))("has no fault that axe finds: %s", async (_, look) => {
    const live = await served([paris(), other()]);
    const page = await open(live, "explore", look);
    await page.getByRole("link", { name: /Two plus/ }).waitFor();
    await expectSound(page);
    await page.getByRole("link", { name: /The capital/ }).click();
    await token(page, 5).click();
    await page.getByRole("region", { name: "About this result" }).waitFor();
    await expectSound(page);
    await page.getByRole("button", { name: "Compare with…" }).click();
    await page.getByRole("checkbox", { name: /Two plus/ }).waitFor();
    await expectSound(page);
  });
});
