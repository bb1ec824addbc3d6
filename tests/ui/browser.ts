import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { launchChromium } from "../viz/chromium.js";

export interface OpenOptions extends BrowserContextOptions {
  /** What the page may say on its console: of a request that the server refused, as the test wants it. */
  expected?: RegExp;
}

/** Opens a server's page in a real browser; after each test none may have asked anyone else for anything, or said an error. */
export function browserForTests(): (server: { url: string }, path: string, options?: OpenOptions) => Promise<Page> {
  let browser: Browser;
  let said: string[] = [];
  const pages: Page[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(async () => {
    // Before the server stops: a page that is left says nothing of streams that end.
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
    const complaints = said;
    said = [];
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser?.close());

  return async ({ url }, path, { expected, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    context.setDefaultTimeout(patience.timeout);
    const page = await context.newPage();
    pages.push(page);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !expected?.test(message.text()))
        said.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => said.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${url}/`) && !/^(blob|data|about):/.test(request.url()))
        said.push(`request: ${request.url()}`);
    });
    await page.goto(`${url}/ui/${path}`);
    return page;
  };
}

/** For what comes in a moment, on a machine with other work too. */
export const patience = { timeout: 15_000 };

/** Ways in which a page is looked at. */
export const looks: Readonly<Record<string, OpenOptions>> = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "a phone's width": { colorScheme: "light", viewport: { width: 375, height: 740 } },
};

/** axe finds nothing, and nothing is wider than the window. */
export async function expectSound(page: Page): Promise<void> {
  await settled(page);
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate("axe.run()")) as axe.AxeResults;
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  const [content, width] = (await page.evaluate(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  )) as [number, number];
  expect(content).toBeLessThanOrEqual(width);
}

/** Nothing moves any more, but what moves for ever: half-way colours would be judged as they are. */
async function settled(page: Page): Promise<void> {
  await page.evaluate(
    `Promise.all(document.getAnimations()
      .filter((each) => each.effect.getComputedTiming().endTime < Infinity)
      .map((each) => each.finished.catch(() => {})))`,
  );
  await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
}
