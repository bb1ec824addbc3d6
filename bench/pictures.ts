import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { attribute, loadModel, visualize } from "../src/index.js";
import { packageRoot } from "../src/install/package.js";
import { launchChromium } from "../tests/viz/chromium.js";

// README's pictures of the page: `npm run pictures` attributes by the default model and takes them in Chromium.

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
await browser.close();
