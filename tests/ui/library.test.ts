import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { resultsFolder } from "../server/running.js";
import { browserForTests, expectSound, looks, patience } from "./browser.js";
import { served } from "./served.js";

const open = browserForTests();

/** Milliseconds in which a removal can be taken back. */
const GRACE = 8000;

const day = (month: number, changes: object = {}) => ({
  timestamp: new Date(Date.UTC(2025, month - 1, 15)),
  ...changes,
});
const made = (): Attribution[] => [
  example(["The", " sky"], [" is"], undefined, day(3)),
  example(["The", " sea"], [" is"], undefined, day(2, { method: "lime" })),
  example(["My", " dog"], [" is"], undefined, day(1, { modelName: "other-model" })),
];

const prompts = (page: Page) => page.getByRole("row").getByRole("link").allTextContents();
const shows = (page: Page, wanted: readonly string[]) => expect.poll(() => prompts(page), patience).toEqual(wanted);
const choose = async (page: Page, label: string, option: RegExp) => {
  await page.getByRole("combobox", { name: label, exact: true }).click();
  await page.getByRole("option", { name: option }).click();
};

/** Lets go of files over the page, as from another window. */
async function drop(page: Page, files: readonly { name: string; content: string }[]): Promise<void> {
  const transfer = await page.evaluateHandle(
    `(() => {
      const transfer = new DataTransfer();
      for (const { name, content } of ${JSON.stringify(files)}) transfer.items.add(new File([content], name));
      return transfer;
    })()`,
  );
  await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
  const zone = page.getByText("Drop results here");
  await zone.waitFor();
  await zone.dispatchEvent("drop", { dataTransfer: transfer });
}

describe("the library", () => {
  it("lists results, the newest first, narrowed by what its address says", async () => {
    const live = await served(made());
    const page = await open(live, "library");
    await shows(page, ["The sky", "The sea", "My dog"]);
    await page.getByLabel("Prompt", { exact: true }).fill("THE");
    await shows(page, ["The sky", "The sea"]);
    await page.getByText("2 results found").waitFor();
    await choose(page, "Method", /^lime/);
    await shows(page, ["The sea"]);
    await page.reload();
    await shows(page, ["The sea"]);
    await page.getByRole("button", { name: "Show all" }).click();
    await shows(page, ["The sky", "The sea", "My dog"]);
    await choose(page, "Model", /^other-model/);
    await shows(page, ["My dog"]);
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByLabel("Since").fill("2025-02-01");
    await page.getByLabel("Until").fill("2025-02-28");
    await shows(page, ["The sea"]);
    await page.getByLabel("Until").fill("2025-02-02");
    await page.getByText("Nothing is like this").waitFor();
    await page.goto(`${live.url}/ui/library?method=lime`);
    await page.getByRole("link", { name: "The sea" }).click();
    await page.getByRole("heading", { level: 1, name: "Explore" }).waitFor();
  });

  it("is turned by pages", async () => {
    const many = Array.from({ length: 27 }, (_, i) => example([`p${i}`], [" x"], undefined, day(1 + (i % 12))));
    const page = await open(await served(many), "library");
    await expect.poll(async () => (await prompts(page)).length, patience).toBe(25);
    await page.getByRole("button", { name: "next page" }).click();
    await expect.poll(async () => (await prompts(page)).length, patience).toBe(2);
    expect(new URL(page.url()).searchParams.get("page")).toBe("2");
  });

  it("removes a result in a while, unless it is brought back", async () => {
    const live = await served(made());
    const page = await open(live, "library");
    await page.clock.install();
    const there = () => live.ids.map((id) => existsSync(join(live.folder, id)));
    await page.getByRole("button", { name: "Delete The sea" }).click();
    await shows(page, ["The sky", "My dog"]);
    await page.getByText("2 results", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Undo" }).click();
    await shows(page, ["The sky", "The sea", "My dog"]);

    await page.getByRole("button", { name: "Delete The sky" }).click();
    await shows(page, ["The sea", "My dog"]);
    // On other pages of this page too it can be brought back, and is not to be seen.
    await page.getByRole("link", { name: "Explore", exact: true }).click();
    await page.getByRole("link", { name: /The sea/ }).waitFor();
    expect(await page.getByRole("link", { name: /The sky/ }).count()).toBe(0);
    expect(there()).toEqual([true, true, true]);
    await page.clock.fastForward(GRACE);
    await expect.poll(there, patience).toEqual([false, true, true]);
    await page.getByRole("button", { name: "Undo" }).waitFor({ state: "detached" });
  });

  it("removes what is to be removed when the page is left before", async () => {
    const live = await served(made());
    const page = await open(live, "library");
    await page.getByRole("checkbox", { name: "Choose The sea" }).check();
    await page.getByRole("checkbox", { name: "Choose My dog" }).check();
    await page.getByRole("region", { name: "Chosen results" }).getByRole("button", { name: "Delete" }).click();
    await shows(page, ["The sky"]);
    await page.goto("about:blank");
    await expect
      .poll(() => live.ids.map((id) => existsSync(join(live.folder, id))), patience)
      .toEqual([true, false, false]);
  });

  it("has several chosen, and compared", async () => {
    const live = await served(made());
    const page = await open(live, "library");
    await page.getByRole("checkbox", { name: "Choose The sky" }).check();
    const compare = page.getByRole("button", { name: "Compare", exact: true });
    expect(await compare.isDisabled()).toBe(true);
    await page.getByRole("checkbox", { name: "Choose My dog" }).check();
    await page.getByText("2 chosen").waitFor();
    await compare.click();
    await page.getByRole("heading", { level: 1, name: "Compare" }).waitFor();
    expect(new URL(page.url()).searchParams.get("ids")).toBe(`${live.ids[0]},${live.ids[2]}`);
  });

  it("takes files that are dropped on it, of both formats, and says of each that it cannot take why", async () => {
    const live = await served();
    const page = await open(live, "library", { expected: /422/ });
    await page.getByText("No results yet").waitFor();
    const [sky, sea] = made() as [Attribution, Attribution];
    const theirs = await save(sea, resultsFolder(), { format: "inseq" });
    await drop(page, [
      { name: "ours.json", content: JSON.stringify(sky) },
      { name: "theirs_inseq.json", content: readFileSync(theirs, "utf8") },
      { name: "other.json", content: '{"a": 1}' },
    ]);
    await page.getByText("2 results imported").waitFor();
    await page.getByText("other.json was not imported").waitFor();
    await page.getByText(/other.json is no TokenLense result/).waitFor();
    await shows(page, ["The sky", "The sea"]);
    const list = (await (await fetch(`${live.url}/results`)).json()) as { total: number };
    expect(list.total).toBe(2);
  });

  it("takes files that are chosen in a dialog", async () => {
    const live = await served();
    const page = await open(live, "library");
    const file = await save(made()[0] as Attribution, resultsFolder(), { format: "inseq", compress: true });
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Import" }).click(),
    ]);
    await chooser.setFiles(file);
    await page.getByText("1 result imported").waitFor();
    await shows(page, ["The sky"]);
  });

  it("names damaged files, and removes them", async () => {
    const live = await served(made());
    const damaged = join(live.folder, "20250101_000000_a_b.json");
    writeFileSync(damaged, '{"metadata": {');
    const page = await open(live, "library");
    await page.getByText("1 file cannot be read").waitFor();
    await page.clock.install();
    await page.getByRole("button", { name: "Delete 20250101_000000_a_b.json" }).click();
    await page.getByText("1 file cannot be read").waitFor({ state: "detached" });
    await page.clock.fastForward(GRACE);
    await expect.poll(() => existsSync(damaged), patience).toBe(false);
  });

  it("says when the server is gone, and goes on when it is back", async () => {
    const page = await open(await served(made()), "library", { expected: /ERR_FAILED/ });
    await shows(page, ["The sky", "The sea", "My dog"]);
    await page.route("**/results?*", (route) => route.abort());
    await page.getByLabel("Prompt", { exact: true }).fill("sky");
    await page.getByRole("alert").getByText("The server cannot be reached.").waitFor();
    await page.unroute("**/results?*");
    await page.getByRole("alert").getByRole("button", { name: "Try again" }).click();
    await shows(page, ["The sky"]);
  });

  it.each(Object.entries(looks))("has no fault that axe finds: %s", async (_, look) => {
    const live = await served(made());
    writeFileSync(join(live.folder, "20250101_000000_a_b.json"), '{"metadata": {');
    const page = await open(live, "library", look);
    await page.getByText("1 file cannot be read").waitFor();
    await page.getByRole("checkbox", { name: "Choose The sky" }).check();
    await page.getByRole("button", { name: "Delete My dog" }).click();
    await page.getByRole("button", { name: "Undo" }).waitFor();
    await expectSound(page);
  });
});
