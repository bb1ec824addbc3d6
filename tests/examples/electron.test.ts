import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { NativeDocument } from "../../src/storage/schema.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { inBrowser } from "./browser.js";
import { installedExample } from "./project.js";

interface Progress {
  phase: string;
  done: number;
  total: number;
}

/** What preload.cjs gives the page. */
interface Bridge {
  attribute(
    id: string,
    options: unknown,
  ): Promise<{ document?: NativeDocument; error?: { code: string; message: string; hint?: string } }>;
  cancel(id: string): void;
  onProgress(listener: (id: string, progress: Progress) => void): void;
}

interface Stage {
  windows: {
    options: {
      webPreferences: { preload: string; contextIsolation: boolean; sandbox: boolean; nodeIntegration: boolean };
    };
    url: string;
    webContents: NodeJS.EventEmitter & { destroyed: boolean; openHandler: () => unknown };
  }[];
  schemes: { scheme: string }[];
  served: Map<string, (request: { url: string }) => Promise<Response>>;
  exposed: { tokenlense: Bridge };
  frame: { url: string };
}

const folder = temporaryFolder();
// The stand-in is a package of the example's, so that main.js and preload.cjs run as they are.
const standIn = join(folder, "electron-stand-in");
mkdirSync(standIn);
cpSync(fileURLToPath(new URL("electron.cjs", import.meta.url)), join(standIn, "index.js"));
writeFileSync(join(standIn, "package.json"), "{}");
const project = installedExample("electron", folder, { electron: standIn });

let stage: Stage;
let bridge: Bridge;
const told: [string, Progress][] = [];

beforeAll(async () => {
  process.env.TOKENLENSE_MODEL = writeTinyModel(folder);
  const load = createRequire(join(project, "main.js"));
  ({ stage } = load("electron") as { stage: Stage });
  load("./main.js");
  await vi.waitFor(() => expect(stage.windows[0]?.url).toBe("app://tokenlense/"));
  load(stage.windows[0]?.options.webPreferences.preload as string);
  bridge = stage.exposed.tokenlense;
  bridge.onProgress((id, progress) => told.push([id, progress]));
});

const slow = { prompt: "word ".repeat(14), method: "sequential_integrated_gradients" };

describe("the Electron example", () => {
  it("gives its window no Node, no other page and no other window", async () => {
    const [window] = stage.windows;
    expect(window?.options.webPreferences).toMatchObject({
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
    });
    expect(window?.webContents.openHandler()).toEqual({ action: "deny" });
    let stopped = false;
    window?.webContents.emit("will-navigate", { preventDefault: () => (stopped = true) });
    expect(stopped).toBe(true);
    expect(Object.keys(bridge).sort()).toEqual(["attribute", "cancel", "onProgress"]);
  });

  it("answers a prompt with a result, and tells of its progress", async () => {
    const { document, error } = await bridge.attribute("first", { prompt: "word word", method: "saliency" });
    expect(error).toBeUndefined();
    expect(document?.metadata).toMatchObject({ prompt: "word word", attribution_method: "saliency" });
    expect(document?.data.association_matrix.flat().some((score) => score !== 0)).toBe(true);
    expect(told.every(([id, { done, total }]) => id === "first" && done <= total)).toBe(true);
    expect(new Set(told.map(([, { phase }]) => phase))).toEqual(new Set(["generate", "attribute"]));
  });

  it.each([
    [{ prompt: "a", method: "salience" }, "ERR_TOKENLENSE_INPUT"],
    [{ prompt: "" }, "ERR_TOKENLENSE_PROMPT"],
    [{ prompt: "a ".repeat(120) }, "ERR_TOKENLENSE_CONTEXT"],
    [null, "ERR_TOKENLENSE_INPUT"],
    [{ prompt: "a", memoryBudget: 1, promptIds: [1] }, undefined],
  ])("keeps the code of an error, and takes nothing but prompt and method: %j", async (options, code) => {
    const { error } = await bridge.attribute("second", options);
    expect(error?.code).toBe(code);
  });

  it("stops when it is told to, for that one alone", async () => {
    const [first, other] = [bridge.attribute("long", slow), bridge.attribute("short", { prompt: "word" })];
    bridge.cancel("none");
    bridge.cancel("long");
    expect((await first).error?.code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect((await other).document).toBeDefined();
  });

  it("stops an attribution that is under way", async () => {
    told.length = 0;
    const answer = bridge.attribute("running", slow);
    await expect.poll(() => told.some(([, { phase }]) => phase === "attribute")).toBe(true);
    bridge.cancel("running");
    expect((await answer).error?.code).toBe("ERR_TOKENLENSE_CANCELLED");
  });

  it("answers no other page", async () => {
    stage.frame = { url: "https://example.org/app://tokenlense/" };
    const { document, error } = await bridge.attribute("theirs", { prompt: "word" });
    stage.frame = { url: "app://tokenlense/" };
    expect([document, error?.code]).toEqual([undefined, "ERR_TOKENLENSE_INPUT"]);
  });

  it("stops when the window is gone", async () => {
    const answer = bridge.attribute("left", slow);
    const contents = stage.windows[0]?.webContents;
    contents?.emit("destroyed");
    expect((await answer).error?.code).toBe("ERR_TOKENLENSE_CANCELLED");
    expect(contents?.listenerCount("destroyed")).toBe(0);
  });

  it("serves its own files and no others", async () => {
    const serve = stage.served.get("app");
    expect(stage.schemes.map(({ scheme }) => scheme)).toEqual(["app"]);
    for (const path of ["/main.js", "/../main.js", "/%2e%2e/package.json", "/constructor"])
      expect((await serve?.({ url: `app://tokenlense${path}` }))?.status).toBe(404);
  });

  it("draws the result in its window, under its policy", async () => {
    await inBrowser(async (page) => {
      await page.route("**/*", async (route) => {
        const path = new URL(route.request().url()).pathname;
        const served = (await stage.served.get("app")?.({ url: `app://tokenlense${path}` })) as Response;
        const headers = Object.fromEntries(served.headers);
        await route.fulfill({ status: served.status, headers, body: await served.text() });
      });
      await page.exposeFunction("attribute", bridge.attribute);
      await page.exposeFunction("cancel", bridge.cancel);
      await page.addInitScript(
        "window.tokenlense = { attribute: window.attribute, cancel: window.cancel, onProgress(tell) { window.tell = tell; } }",
      );
      bridge.onProgress(
        (id, progress) => void page.evaluate(`tell(${JSON.stringify(id)}, ${JSON.stringify(progress)})`),
      );
      await page.goto("https://app.test/");
      await page.getByLabel("Prompt").fill(slow.prompt);
      await page.getByLabel("Method").fill(slow.method);
      await page.getByRole("button", { name: "Attribute" }).click();
      await page.getByText(/^attribute \d+ of \d+$/).waitFor();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByText(/cancelled/i).waitFor();
      await page.getByLabel("Method").fill("saliency");
      await page.getByRole("button", { name: "Attribute" }).click();
      await page.locator("token-lens [role=option]").first().waitFor();
    });
  });
});
