import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { JobView } from "../../src/server/jobs/job.js";
import type { ServeOptions } from "../../src/server/options.js";
import { REAL_MODEL } from "../models/real.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { browserForTests, expectSound, looks, patience } from "./browser.js";
import { served } from "./served.js";

const cache = process.env.TOKENLENSE_CACHE;
const model = writeTinyModel(temporaryFolder());
const open = browserForTests();
const server = (options: ServeOptions = {}) => served([], { models: [model], ...options });

/** Long enough to be seen at work and cancelled: as it stands it would take minutes. */
const long = { prompt: "word ".repeat(12).trim(), continuation: "word ".repeat(4).trim(), steps: "1000" };

const choose = async (page: Page, label: string, option: string) => {
  await page.getByRole("combobox", { name: label, exact: true }).click();
  await page.getByRole("option", { name: option, exact: true }).click();
};
/** A bar at its beginning has no width. */
const drawn = { state: "attached" } as const;
const run = (page: Page) => page.getByRole("button", { name: "Attribute" }).click();
const job = (page: Page) => page.getByRole("region", { name: "Job", exact: true });
const jobs = async ({ url }: { url: string }): Promise<JobView[]> =>
  ((await (await fetch(`${url}/attributions`)).json()) as { items: JobView[] }).items;

async function runLong(page: Page): Promise<void> {
  await page.getByLabel("Prompt", { exact: true }).fill(long.prompt);
  await page.getByText("Given text").click();
  await page.getByLabel("What follows the prompt").fill(long.continuation);
  await choose(page, "Method", "sequential_integrated_gradients");
  await page.getByLabel("Steps", { exact: true }).fill(long.steps);
  await run(page);
}

describe("a new attribution", () => {
  it("runs from an empty form to its result, by keyboard too", async () => {
    const live = await server();
    const page = await open(live, "new");
    await expect.poll(() => page.getByRole("combobox", { name: "Model" }).inputValue(), patience).toBe(model);
    await run(page);
    await page.getByText("Write a prompt.").waitFor();
    expect(await jobs(live)).toEqual([]);
    await page.getByLabel("Prompt", { exact: true }).fill("The sky is");
    await page.getByLabel("New tokens, at most").fill("3");
    await page.keyboard.press("Control+Enter");
    await job(page).getByText("done", { exact: true }).waitFor();
    const [{ id, request, result } = {} as JobView] = await jobs(live);
    expect(request).toMatchObject({ model, prompt: "The sky is", maxNewTokens: 3, method: "saliency" });
    expect(new URL(page.url()).searchParams.get("job")).toBe(id);
    await job(page).getByRole("listbox").getByRole("option").nth(3).waitFor();
    await job(page).getByRole("link", { name: "Explore" }).click();
    await page.getByRole("heading", { level: 1, name: "Explore" }).waitFor();
    expect(new URL(page.url()).pathname).toBe(`/ui/explore/${result}`);
  });

  it("is watched while it goes on, also after a reload, and cancelled", async () => {
    const live = await server({ concurrency: 1 });
    const page = await open(live, "new");
    await runLong(page);
    const bar = job(page).getByRole("progressbar", { name: "Attributing" });
    await bar.waitFor(drawn);
    expect(await job(page).getByRole("blockquote").textContent()).toContain(long.continuation);
    await job(page)
      .getByText(/\d of [\d,]+, [\d.]+ per (second|minute), .* left/)
      .waitFor();
    await page.reload();
    await bar.waitFor(drawn);
    await expect
      .poll(() => page.getByLabel("What follows the prompt").inputValue(), patience)
      .toBe(` ${long.continuation}`);
    expect(await page.getByLabel("Steps", { exact: true }).inputValue()).toBe(long.steps);

    // Another one waits for it.
    await run(page);
    await job(page).getByText("It is the next in the queue.").waitFor();
    await job(page).getByRole("button", { name: "Cancel" }).click();
    await job(page).getByText("It was cancelled.").waitFor();
    const recent = page.getByRole("region", { name: "Recent jobs" }).getByRole("button");
    expect(await recent.count()).toBe(2);
    await recent.nth(1).click();
    await bar.waitFor(drawn);
    await job(page).getByRole("button", { name: "Cancel" }).click();
    await job(page).getByText("It was cancelled.").waitFor();
    expect((await jobs(live)).map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
  });

  it("asks for what is chosen: a conversation, options, a step function and its contrast, sampling", async () => {
    const live = await server();
    const page = await open(live, "new");
    await page.getByText("Conversation").click();
    await page.getByLabel("Message 1", { exact: true }).fill("Be brief.");
    await choose(page, "Role of message 1", "system");
    await page.getByRole("button", { name: "Add a message" }).click();
    await page.getByRole("button", { name: "Add a message" }).click();
    await page.getByRole("button", { name: "Remove message 3" }).click();
    await page.getByLabel("Message 2", { exact: true }).fill("Why?");
    await page.getByRole("button", { name: /^Sampling/ }).click();
    await page.getByLabel("Temperature").fill("0.5");
    await page.getByLabel("Seed").fill("7");
    await choose(page, "Method", "integrated_gradients");
    await page.getByLabel("Steps", { exact: true }).fill("4");
    await page.getByRole("switch", { name: "Multiply by input" }).click();
    await choose(page, "Baseline", "a text of your own");
    await page.getByLabel("Baseline: text").fill("x");
    await choose(page, "Aggregate", "sum");
    await choose(page, "Step function", "kl_divergence");
    await page.getByLabel("Top k", { exact: true }).last().fill("5");
    await page.getByLabel("Contrast: what might have followed").fill("No");
    await page.getByLabel("Contrast's own prompt").fill("How?");
    await run(page);
    await job(page).waitFor();
    const [{ request } = {} as JobView] = await jobs(live);
    expect(request).toMatchObject({
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Why?" },
      ],
      generation: { temperature: 0.5, seed: 7 },
      method: "integrated_gradients",
      options: { steps: 4, multiplyByInput: false, baseline: { text: "x" }, aggregate: "sum" },
      step: { name: "kl_divergence", topK: 5 },
      contrast: { prompt: "How?", target: "How? No" },
    });
    // The baseline has fewer tokens than the text, and that is said with what to do.
    await job(page).getByText("ERR_TOKENLENSE_INPUT").waitFor();
    await job(page).getByText("Give a text of at least as many tokens").waitFor();
    await page.reload();
    await expect.poll(() => page.getByLabel("Message 2", { exact: true }).inputValue(), patience).toBe("Why?");
    expect(await page.getByLabel("Contrast: what might have followed").inputValue()).toBe(" No");
  });

  it("says what is wrong: with the text, by the job, and of a model that is gone", async () => {
    const live = await server({ limits: { prompt: 400 } });
    const page = await open(live, "new", { expected: /400|404/ });
    await page.getByLabel("Prompt", { exact: true }).fill("word ".repeat(90));
    await run(page);
    await page
      .getByRole("alert")
      .getByText(/45\d characters; 400 are taken/)
      .waitFor();
    await page.getByRole("alert").getByText("ERR_TOKENLENSE_INPUT").waitFor();
    await page.getByLabel("Prompt", { exact: true }).fill("w o r d ".repeat(45));
    await run(page);
    await job(page).getByText("ERR_TOKENLENSE_CONTEXT").waitFor();
    await page.goto(`${live.url}/ui/new?job=00000000-0000-4000-8000-000000000000`);
    await page.getByText("There is no job").waitFor();
    // As where the server was started anew with other models.
    await page.route("**/models/loadable", (route) =>
      route.fulfill({
        json: {
          models: [{ name: "smolm2-135m-instruct", origin: "given", loaded: false, jobs: 0 }],
          memory: { used: 0, budget: 1 },
        },
      }),
    );
    await page.goto(`${live.url}/ui/new`);
    await page.getByLabel("Prompt", { exact: true }).fill("The sky is");
    await run(page);
    await page.getByRole("alert").getByText("ERR_TOKENLENSE_MODEL").waitFor();
    await page.getByRole("alert").getByText("smollm2-135m-instruct").waitFor();
  });

  it.each(Object.entries(looks))("has no fault that axe finds: %s", async (_, look) => {
    const page = await open(await server(), "new", look);
    await page.getByText("Try:").waitFor();
    await page.getByText("Takes one forward pass").waitFor();
    await expectSound(page);
    await page.getByText("Conversation").click();
    await choose(page, "Method", "gradient_shap");
    await choose(page, "Step function", "contrast_prob");
    await page.getByLabel("Message 1", { exact: true }).fill("Why?");
    await run(page);
    await page.getByText("Write what might have followed instead.").waitFor();
    await page.getByLabel("Contrast: what might have followed").fill("So.");
    await run(page);
    await job(page).getByText("ERR_TOKENLENSE_TARGET").waitFor();
    await expectSound(page);
    await page.getByText("Plain text").click();
    await page.getByLabel("Prompt", { exact: true }).fill("sky");
    await page.getByText("Given text").click();
    await page.getByLabel("What follows the prompt").fill(",blue");
    await choose(page, "Step function", "default: probability");
    await run(page);
    await job(page).getByText("done", { exact: true }).waitFor();
    await job(page).getByRole("listbox").waitFor();
    await expectSound(page);
  });

  it("is run by the default model, and explored", async () => {
    // Where the model lies that was downloaded once.
    if (cache === undefined) delete process.env.TOKENLENSE_CACHE;
    else process.env.TOKENLENSE_CACHE = cache;
    const live = await served();
    const page = await open(live, "new");
    await page.getByRole("button", { name: "The capital of France is" }).click();
    await choose(page, "Model", REAL_MODEL);
    await page.getByLabel("New tokens, at most").fill("6");
    await run(page);
    await job(page).getByText("done", { exact: true }).waitFor({ timeout: 90_000 });
    await job(page).getByRole("link", { name: "Explore" }).click();
    await page.getByRole("heading", { level: 1, name: "Explore" }).waitFor();
    const tokens = page.getByRole("listbox").getByRole("option");
    await tokens.nth(5).waitFor();
    const texts = await tokens.allTextContents();
    expect(texts.slice(0, 5).map((text) => text.trim())).toEqual(["The", "capital", "of", "France", "is"]);
    expect(texts[5]).toMatch(/Paris/);
    await tokens.nth(5).click();
    await page.getByText(REAL_MODEL).first().waitFor();
    await page.getByRole("region", { name: "About this result" }).getByText("saliency").waitFor();
  });
});
