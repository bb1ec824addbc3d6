import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import { compare, toSvg, visualize } from "../../src/viz/visualize.js";
import { example } from "../example.js";
import { temporaryFolder, writeTinyModel } from "../tiny-model.js";
import { tokenlense } from "./command.js";

const folder = temporaryFolder();
const first = example(["The", " capital", " of", " France"], [" is", " Paris"]);
const second = example(["The", " capital", " of", " France"], [" is", " Rome"], (position) => 4 - position);
let files: string[];
beforeAll(async () => {
  files = await Promise.all([first, second].map((result) => save(result, join(folder, "results"))));
});
const run = (args: string[], options: { env?: NodeJS.ProcessEnv } = {}) =>
  tokenlense(args, { cwd: folder, ...options });
const read = (name: string) => readFileSync(join(folder, name));

describe("visualize", () => {
  it("writes a page, named as the result, where nothing else is said", async () => {
    const [file = ""] = files;
    const { code, stdout, stderr } = await run(["visualize", file]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const page = `${basename(file, ".json")}.html`;
    expect(stdout).toBe(`Drawn in ${join(folder, page)}\n`);
    expect(read(page).toString()).toBe(
      visualize(first).html.replace("<token-lens>", '<token-lens normalisation="inseq">'),
    );
  });

  it("writes the format that the file's name says, with theme and normalisation", async () => {
    const flags = ["--theme", "dark", "--normalisation", "raw", "--json"];
    const svg = await run(["visualize", files[0] as string, "--output", "picture.svg", ...flags]);
    expect(JSON.parse(svg.stdout)).toEqual({ file: join(folder, "picture.svg") });
    expect(read("picture.svg").toString()).toBe(toSvg(first, { theme: "dark", normalisation: "raw" }));
    await run(["visualize", files[0] as string, "--output", "picture.PNG"]);
    expect(read("picture.PNG").subarray(1, 4).toString()).toBe("PNG");
  });

  it("puts several results in one page", async () => {
    expect((await run(["visualize", ...files, "--output", "both.html"])).code).toBe(0);
    expect(read("both.html").toString()).toContain(JSON.stringify([first, second]).slice(0, 200));
  });

  it("opens it where that is asked for", async () => {
    const browser = join(folder, "browser");
    writeFileSync(browser, `#!/bin/sh\necho "$1" > "${folder}/opened"\n`);
    chmodSync(browser, 0o755);
    await run(["visualize", files[0] as string, "--output", "seen.html", "--open"], { env: { BROWSER: browser } });
    await expect
      .poll(() => existsSync(join(folder, "opened")) && read("opened").toString(), { timeout: 20_000 })
      .toBe(`file://${join(folder, "seen.html")}\n`);
  });

  it("refuses another format before it reads, a missing file, and a folder that is not there", async () => {
    const format = await run(["visualize", "none.json", "--output", "picture.gif"]);
    expect(format.code).toBe(2);
    expect(format.stderr).toContain(".html, .svg, .png");
    const missing = await run(["visualize", "none.json", "--json"]);
    expect(missing.code).toBe(1);
    expect(JSON.parse(missing.stdout).error.code).toBe("ERR_TOKENLENSE_FILE");
    const place = await run(["visualize", files[0] as string, "--output", "none/picture.svg"]);
    expect(place.code).toBe(1);
    expect(place.stderr).toContain("ERR_TOKENLENSE_DISK");
  });
});

describe("compare", () => {
  it("prints what each output leaned on in each, and how far they agree", async () => {
    const { code, stdout } = await run(["compare", ...files]);
    expect(code).toBe(0);
    expect(stdout).toContain("A and B        1");
    expect(stdout).toContain("1 is  Spearman −1.000\n  A  France");
  });

  it("prints JSON, and writes a page", async () => {
    const { stdout } = await run(["compare", ...files, "--top-k", "2", "--json", "--html", "compared.html"]);
    const results = await Promise.all(files.map((file) => load(file)));
    expect(JSON.parse(stdout)).toEqual({
      files,
      pairs: JSON.parse(JSON.stringify(compare(results, { topK: 2 }))),
      page: join(folder, "compared.html"),
    });
    expect(read("compared.html").toString()).toContain("<token-lens>");
  });

  it("ends with 2 for a single result", async () => {
    const { code, stderr } = await run(["compare", files[0] as string]);
    expect(code).toBe(2);
    expect(stderr).toContain("nothing to compare");
  });
});

describe("attribute --picture", () => {
  it("draws the result too", async () => {
    const model = writeTinyModel(mkdtempSync(join(folder, "model-")));
    const flags = ["--model", model, "--max-new-tokens", "3", "--no-save", "--json"];
    const { stdout } = await run(["attribute", "The sky is", ...flags, "--picture", "sky.svg"]);
    expect(JSON.parse(stdout).picture).toBe(join(folder, "sky.svg"));
    expect(read("sky.svg").toString()).toContain(">The sky is</text>");
    const wrong = await run(["attribute", "The sky is", "--model", "./none.gguf", "--picture", "sky.gif"]);
    expect(wrong.code).toBe(2);
  });
});
