import { describe, expect, it } from "vitest";
import { browserForTests, expectSound, looks, patience } from "./browser.js";
import { served } from "./served.js";

const open = browserForTests();

const pages = {
  new: "New attribution",
  explore: "Explore",
  compare: "Compare",
  importance: "Token importance",
  performance: "Performance",
  library: "Library",
};

describe("the page", () => {
  it("is where a browser is led to, and what nothing but its own scripts may touch", async () => {
    const { url } = await served();
    const led = await fetch(url, { headers: { accept: "text/html,*/*" } });
    expect(led.url).toBe(`${url}/ui/`);
    expect(led.headers.get("content-type")).toMatch("text/html");
    expect(led.headers.get("cache-control")).toBe("no-cache");
    expect(led.headers.get("content-security-policy")).toMatch("script-src 'self';");
    expect(led.headers.get("x-content-type-options")).toBe("nosniff");
    const html = await led.text();
    const asset = /src="(\/ui\/assets\/[^"]+)"/.exec(html)?.[1] ?? "";
    const script = await fetch(url + asset);
    expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(script.headers.get("content-type")).toMatch("javascript");
    expect(await (await fetch(`${url}/ui/explore/some%2Fwhere.json?zoom=2`)).text()).toBe(html);
    expect((await fetch(`${url}/ui/assets/none.js`)).status).toBe(404);
    for (const path of ["/ui/..%2f..%2fpackage.json", "/ui/assets/..%2f..%2f..%2fpackage.json"])
      expect(await (await fetch(url + path)).text()).not.toContain("tokenlense-native");
    expect(await (await fetch(url)).json()).toMatchObject({ name: "tokenlense", page: "/ui/" });
  });

  it("is walked through by keyboard, with the focus on what has come", async () => {
    const page = await open(await served(), "");
    for (const [path, title] of Object.entries(pages)) {
      const link = page.getByRole("navigation").getByRole("link", { name: path, exact: false });
      await link.focus();
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      expect(new URL(page.url()).pathname).toBe(`/ui/${path}`);
      await expect.poll(() => page.title(), patience).toBe(`${title} · TokenLens`);
      expect(await link.getAttribute("aria-current")).toBe("page");
      if (path !== "new") expect(await page.evaluate("document.activeElement.tagName")).toBe("MAIN");
    }
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Performance" }).waitFor();
  });

  it("says so where an address leads nowhere", async () => {
    const page = await open(await served(), "nowhere");
    await page.getByText("Nothing is at this address").waitFor();
    await page.getByRole("link", { name: "To the library" }).click();
    await page.getByRole("heading", { level: 1, name: "Library" }).waitFor();
  });

  it("takes the colours that are chosen, and keeps them", async () => {
    const page = await open(await served(), "new", { colorScheme: "light" });
    const scheme = () => page.evaluate("document.documentElement.dataset.mantineColorScheme");
    expect(await scheme()).toBe("light");
    await page.getByTitle("Dark").click();
    await expect.poll(scheme, patience).toBe("dark");
    await page.reload();
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await scheme()).toBe("dark");
  });

  it("asks for the server's token, and goes on once it is right", async () => {
    const token = "a-token-of-some-length";
    const page = await open(await served([], { token }), "library", { expected: /401/ });
    const dialog = page.getByRole("dialog", { name: "This server asks for its token" });
    for (const [text, after] of [
      ["a-wrong-token", "visible"],
      [token, "hidden"],
    ] as const) {
      await dialog.getByLabel("Token", { exact: true }).fill(text);
      await dialog.getByRole("button", { name: "Go on" }).click();
      await dialog.getByText("The server refused the last one.").waitFor({ state: after });
    }
    await page.getByText("No results yet").waitFor();
    await page.reload();
    await page.getByText("No results yet").waitFor();
  });

  it.each(Object.entries(looks))("has a navigation without faults: %s", async (_, look) => {
    const page = await open(await served(), "nowhere", look);
    const burger = page.getByRole("button", { name: "Open navigation" });
    if (await burger.isVisible()) await burger.click();
    await page.getByRole("link", { name: "Library", exact: true }).waitFor();
    await expectSound(page);
  });
});
