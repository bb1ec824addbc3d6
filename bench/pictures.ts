import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { attribute, loadModel, save, visualize } from "../src/index.js";
import { packageRoot } from "../src/install/package.js";
import { serve } from "../src/server/index.js";
import { launchChromium } from "../tests/viz/chromium.js";

// README's pictures of the page, and of what `tokenlense serve` shows: `npm run pictures` attributes by the default model and takes them in Chromium.

const width = 1180;
const folder = join(packageRoot(), "bench");
using model = await loadModel("smollm2-135m-instruct");
const target = "The capital of France is Paris. It lies on the Seine, which runs through the city.";
const ask = { model, prompt: "The capital of France is", target };
const [gradient, left] = [await attribute(ask), await attribute({ ...ask, method: "occlusion" })];

const browser = await launchChromium();
const work = dirname(fileURLToPath(import.meta.url));
for (const { name, html, theme, token, height } of [
  { name: "page", html: visualize(gradient).html, theme: "dark", token: 5, height: 640 },
  { name: "comparison", html: visualize([gradient, left]).html, theme: "light", token: 5, height: 690 },
] as const) {
  const file = join(work, `${name}.html`);
  writeFileSync(file, html);
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
  await page.goto(pathToFileURL(file).href);
  await page.locator("[role=option]").nth(token).click();
  // One that is looked at, with no pointer over it.
  await page.mouse.move(width - 2, 1);
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.close();
  rmSync(file);
}

const results = mkdtempSync(join(tmpdir(), "tokenlense-pictures-"));
{
  const id = basename(await save(gradient, results));
  await using server = await serve({ folder: results, port: 0, log: "silent" });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
  await page.goto(`${server.url}/ui/explore/${id}`);
  await page.locator("[role=option]").nth(5).click();
  await page.mouse.move(1278, 1);
  await page.getByRole("region", { name: "About this result" }).waitFor();
  await page.waitForTimeout(500);
  await page.screenshot({ path: join(folder, "ui.png") });
  await page.close();
}
rmSync(results, { recursive: true });
await browser.close();
