import type { Page } from "playwright-core";
import { expect } from "vitest";
import { launchChromium } from "../viz/chromium.js";

/** A page in a browser of its own, which may say no error, but that a site has no icon. */
export async function inBrowser(use: (page: Page) => Promise<void>): Promise<void> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (!message.location().url.endsWith("/favicon.ico")) faults.push(message.text());
    });
    await use(page);
    expect(faults).toEqual([]);
  } finally {
    await browser.close();
  }
}
