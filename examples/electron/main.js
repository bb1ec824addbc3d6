import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { app, BrowserWindow, ipcMain, protocol } from "electron";
import { answerAttributions } from "./attributions.js";

// The window loads app://tokenlense/, which is these files and no other; its policy allows no other source either.
const origin = "app://tokenlense";
const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
/** @type {Readonly<Record<string, readonly [file: string, type: string]>>} */
const files = {
  "/": [here("index.html"), "text/html"],
  "/page.css": [here("page.css"), "text/css"],
  "/renderer.js": [here("renderer.js"), "text/javascript"],
  "/token-lens.js": [fileURLToPath(import.meta.resolve("tokenlense-native/ui")), "text/javascript"],
};
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob:; base-uri 'none'; form-action 'none'";

protocol.registerSchemesAsPrivileged([{ scheme: "app", privileges: { standard: true, secure: true } }]);
answerAttributions(ipcMain, { origin, model: process.env.TOKENLENSE_MODEL ?? "smollm2-135m-instruct" });

app.whenReady().then(() => {
  protocol.handle("app", async ({ url }) => {
    const [file, type] = files[new URL(url).pathname] ?? [];
    if (file === undefined || type === undefined) return new Response(null, { status: 404 });
    return new Response(await readFile(file, "utf8"), {
      headers: { "content-type": `${type}; charset=utf-8`, "content-security-policy": policy },
    });
  });
  const window = new BrowserWindow({
    width: 1200,
    height: 900,
    webPreferences: { preload: here("preload.cjs"), contextIsolation: true, sandbox: true, nodeIntegration: false },
  });
  window.webContents.setWindowOpenHandler(() => ({ action: "deny" }));
  window.webContents.on("will-navigate", (event) => event.preventDefault());
  return window.loadURL(`${origin}/`);
});
app.on("window-all-closed", () => app.quit());
