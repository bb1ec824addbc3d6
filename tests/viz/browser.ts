import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { launchChromium } from "./chromium.js";

export interface OpenOptions {
  colorScheme?: "light" | "dark";
  viewport?: { width: number; height: number };
  /** What the page may say on its console: of a policy that did its work. */
  expected?: RegExp;
}

/** Opens pages in a real browser; after each test none may have asked the network for anything, or said an error. */
export function browserForTests(): (html: string, options?: OpenOptions) => Promise<Page> {
  let browser: Browser;
  let folder: string;
  let said: string[] = [];
  const pages: Page[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
    folder = mkdtempSync(join(tmpdir(), "tokenlense-page-"));
  });
  afterEach(async () => {
    const complaints = said;
    said = [];
    await Promise.all(pages.splice(0).map((page) => page.close()));
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  return async (html, { expected, ...options } = {}) => {
    const file = join(folder, `${pages.length}.html`);
    writeFileSync(file, html);
    const address = pathToFileURL(file).href;
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
    pages.push(page);
    page.on("console", (message) => {
      if (!expected?.test(message.text())) said.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => said.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (request.url() !== address && !/^(blob|about):/.test(request.url())) said.push(`request: ${request.url()}`);
    });
    await page.goto(address);
    return page;
  };
}
