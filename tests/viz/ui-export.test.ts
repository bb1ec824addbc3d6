import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { browserForTests } from "./browser.js";
import { lists, settled, token, words } from "./reading.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const file = createRequire(import.meta.url).resolve("tokenlense-native/ui");
const open = browserForTests();

describe("tokenlense-native/ui", () => {
  it("can be imported and required in Node, where it registers nothing and loads nothing else", () => {
    const node = (type: "module" | "commonjs", program: string) =>
      execFileSync(process.execPath, ["--no-warnings", `--input-type=${type}`, "--eval", program], {
        cwd: root,
        encoding: "utf8",
      }).trim();
    const tell = "console.log(Object.keys(ui).join(), typeof ui.TokenLensElement, typeof globalThis.customElements)";
    const expected = "TokenLensElement function undefined";
    expect(node("module", `import * as ui from "tokenlense-native/ui"; ${tell}`)).toBe(expected);
    expect(node("commonjs", `const ui = require("tokenlense-native/ui"); ${tell}`)).toBe(expected);
    expect(readFileSync(file, "utf8")).not.toMatch(/\bfrom\s*["']|\bimport\s*[("']|\brequire\(/);
  });

  it("mounts the element in a page by itself", async () => {
    const page = await open('<!doctype html><html lang="en"><title>x</title><token-lens></token-lens></html>');
    await page.addScriptTag({ content: readFileSync(file, "utf8"), type: "module" });
    await page.evaluate("customElements.whenDefined('token-lens')");
    await page.evaluate(`document.querySelector("token-lens").results = [${JSON.stringify(words)}]`);
    await token(page, 5).hover();
    await settled(page);
    expect((await lists(page)).leaned.length).toBe(5);
  });

  it("has types for the tag, its state and its event", () => {
    const program = `
      import { type LensState, type NativeDocument, TokenLensElement } from "tokenlense-native/ui";
      const lens: TokenLensElement = document.createElement("token-lens");
      lens.results = [] as readonly NativeDocument[];
      lens.state = { topK: 3, pinned: { result: 0, position: 1 } };
      lens.addEventListener("lens-change", ({ detail }) => { const state: LensState = detail; state.zoom?.toFixed(); });
      // @ts-expect-error There is no such unit.
      lens.state = { unit: "letter" };
    `;
    const folder = mkdtempSync(join(tmpdir(), "tokenlense-types-"));
    try {
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(root, join(folder, "node_modules", "tokenlense-native"));
      writeFileSync(join(folder, "use.mts"), program);
      const flags = "--noEmit --strict --target es2022 --module nodenext --lib es2023,dom --skipLibCheck".split(" ");
      const said = execFileSync(join(root, "node_modules", ".bin", "tsc"), [...flags, "use.mts"], {
        cwd: folder,
        encoding: "utf8",
      });
      expect(said).toBe("");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
