import { execFileSync } from "node:child_process";
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

  it("says what is missing when it is first needed", () => {
    const program = `import { native } from ${JSON.stringify(entry)};
      try { native(); } catch (error) { console.log(JSON.stringify([error.name, error.code, error.hint])); }`;
    const [name, code, hint] = JSON.parse(node("module", program)) as string[];
    expect([name, code]).toEqual(["TokenlenseError", "ERR_TOKENLENSE_ADDON"]);
    expect(hint).not.toBe("");
  });
});
