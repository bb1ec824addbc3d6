import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const entry = fileURLToPath(new URL("../dist/index.js", import.meta.url));
const names = ["attribute", "generate", "loadModel", "load", "methods", "native", "save", "steps", "Attribution"];

/** Runs a program in a Node of its own, without an addon to load. */
function node(type: "module" | "commonjs", program: string): string {
  return execFileSync(process.execPath, ["--no-warnings", `--input-type=${type}`, "--eval", program], {
    encoding: "utf8",
    env: { ...process.env, TOKENLENSE_ADDON: "/nowhere.node", LIBTORCH: "/nowhere" },
  });
}

describe("the built package", () => {
  it("can be imported and required, and needs no libtorch for that", () => {
    const list = "console.log(JSON.stringify(Object.keys(tokenlense)))";
    const imported = node("module", `import * as tokenlense from ${JSON.stringify(entry)}; ${list}`);
    const required = node("commonjs", `const tokenlense = require(${JSON.stringify(entry)}); ${list}`);
    for (const output of [imported, required]) expect(JSON.parse(output)).toEqual(expect.arrayContaining(names));
  });

  it("has its server under an entry of its own, which the main one does not load", () => {
    const loaded = (name: string) =>
      node(
        "commonjs",
        `require(${JSON.stringify(name)}); console.log(Object.keys(require.cache).some((path) => /node_modules.fastify./.test(path)));`,
      ).trim();
    expect([loaded(entry), loaded(entry.replace("index.js", "server/index.js"))]).toEqual(["false", "true"]);
    const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
    expect(manifest.exports["./server"].default).toBe("./dist/server/index.js");
  });

  it("says what is missing when it is first needed", () => {
    const program = `import { native } from ${JSON.stringify(entry)};
      try { native(); } catch (error) { console.log(JSON.stringify([error.name, error.code, error.hint])); }`;
    const [name, code, hint] = JSON.parse(node("module", program)) as string[];
    expect([name, code]).toEqual(["TokenlenseError", "ERR_TOKENLENSE_ADDON"]);
    expect(hint).not.toBe("");
  });
});
