import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findAddon, LOADER } from "../../src/install/addon.js";
import { LIBTORCH_VERSION } from "../../src/install/versions.js";
import { compiled, type Ended, ROOT, runModule, runNode } from "./processes.js";

// With the real addon and the real libtorch, each in a process of its own.

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tokenlense-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const succeeded = ({ code, signal, stdout, stderr }: Ended) => {
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  return stdout.trim();
};

/** Shared by the threads of a test: what one of them does with the addon. */
const USE = `
  import { native } from "${compiled("install/binding.js")}";
  const use = () => {
    const tensor = new (native().Tensor)(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const copy = [...tensor.data()];
    tensor.dispose();
    return native().info().libtorch + " " + copy.join(",");
  };`;
const WORKER = `
  ${USE}
  import { Worker, isMainThread, parentPort } from "node:worker_threads";
  import { fileURLToPath } from "node:url";
  const inWorker = () => new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url));
    let answer;
    worker.on("message", (message) => { answer = message; });
    worker.on("error", reject);
    worker.on("exit", (code) => resolve(code === 0 ? answer : "exit code " + code));
  });
  if (!isMainThread) parentPort.postMessage(use());
  else {`;
const ANSWER = `${LIBTORCH_VERSION} 1,2,3,4`;

/** A worker runs a file, so the text is written to one. */
const runThreads = (name: string, source: string) => {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, `${WORKER}${source}}`);
  return runNode([file]).ended;
};

describe("native()", () => {
  it("loads in the main thread, with nothing on stderr", async () => {
    expect(succeeded(await runModule(`${USE} console.log(use());`).ended)).toBe(ANSWER);
  });

  it("loads in several worker threads at once", async () => {
    const source = "for (const text of await Promise.all([1, 2, 3, 4].map(inWorker))) console.log(text);";
    expect(succeeded(await runThreads("several", source)).split("\n")).toEqual(Array(4).fill(ANSWER));
  });

  it("loads in the main thread after a worker that had it has ended, and the other way round", async () => {
    const source =
      "console.log(await inWorker()); console.log(use()); console.log(await inWorker()); console.log(use());";
    expect(succeeded(await runThreads("after", source)).split("\n")).toEqual(Array(4).fill(ANSWER));
  });

  it("says what to do where there is no addon, and where the file is no addon", async () => {
    const source = `
      import { native } from "${compiled("install/binding.js")}";
      try { native(); } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message, hint: error.hint })); }`;
    const env = { ...process.env, TOKENLENSE_ADDON: join(folder, "none.node") };
    expect(JSON.parse(succeeded(await runModule(source, { env }).ended))).toEqual({
      code: "ERR_TOKENLENSE_ADDON",
      message: `${join(folder, "none.node")} does not exist`,
      hint: expect.stringContaining("npm rebuild tokenlense-native"),
    });
    mkdirSync(join(folder, "broken/loader"), { recursive: true });
    cpSync(findAddon().loader, join(folder, "broken", LOADER));
    writeFileSync(join(folder, "broken/tokenlense.node"), "no library");
    const broken = { ...process.env, TOKENLENSE_ADDON: join(folder, "broken/tokenlense.node") };
    expect(JSON.parse(succeeded(await runModule(source, { env: broken }).ended))).toEqual({
      code: "ERR_TOKENLENSE_ADDON",
      message: expect.stringContaining("the addon does not load"),
      hint: expect.stringContaining(LIBTORCH_VERSION),
    });
  });

  it("says all that was tried where there is no libtorch", async () => {
    const env = { TOKENLENSE_CACHE: join(folder, "cache"), LIBTORCH: folder, PATH: "" };
    const source = `
      import { native } from "${compiled("install/binding.js")}";
      try { native(); } catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message })); }`;
    const { code, message } = JSON.parse(succeeded(await runModule(source, { env }).ended));
    expect(code).toBe("ERR_TOKENLENSE_LIBTORCH");
    for (const part of [`LIBTORCH: ${folder} holds no`, "Python: no python3", "cache: "])
      expect(message).toContain(part);
  });
});

describe("the loader", () => {
  const source = (call: string) => `
    import { createRequire } from "node:module";
    const loader = createRequire(import.meta.url)(${JSON.stringify(findAddon().loader)});
    try { ${call} } catch (error) { console.log(error.constructor.name + ": " + error.message); }`;

  it("throws what the system says of a library that does not open", async () => {
    const said = succeeded(await runModule(source('loader.load("/nowhere/libnone.so")')).ended);
    expect(said).toMatch(/^Error: .*libnone/);
  });

  it.each([["loader.load()"], ["loader.load(3)"], ['loader.load("")'], ['loader.load("a\\u0000b")']])(
    "refuses %s",
    async (call) => {
      expect(succeeded(await runModule(source(call)).ended)).toMatch(/^TypeError: load\(path\): path/);
    },
  );
});

describe("the package, installed", () => {
  /** A folder whose node_modules has the package, by a link. */
  const project = () => {
    const root = join(folder, "project");
    mkdirSync(join(root, "node_modules"), { recursive: true });
    rmSync(join(root, "node_modules/tokenlense-native"), { force: true });
    symlinkSync(ROOT, join(root, "node_modules/tokenlense-native"), "dir");
    return root;
  };

  it.each([
    [
      "import",
      "uses.mjs",
      'import * as tokenlense from "tokenlense-native"; console.log(typeof tokenlense.attribute);',
    ],
    ["require", "uses.cjs", 'console.log(typeof require("tokenlense-native").attribute);'],
  ])("is loaded by %s without a word on stderr", async (_, name, text) => {
    const file = join(project(), name);
    writeFileSync(file, text);
    expect(succeeded(await runNode([file]).ended)).toBe("function");
  });

  it("works from a prebuild, without build/", async () => {
    const root = join(folder, "prebuilt");
    const prebuilds = join(root, "prebuilds", `${process.platform}-${process.arch}`);
    const { path, loader } = findAddon();
    cpSync(join(ROOT, "dist"), join(root, "dist"), { recursive: true });
    cpSync(join(ROOT, "package.json"), join(root, "package.json"));
    symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"), "dir");
    mkdirSync(join(prebuilds, dirname(LOADER)), { recursive: true });
    const file = join(prebuilds, process.platform === "linux" ? "tokenlense.glibc.node" : "tokenlense.node");
    cpSync(path, file);
    cpSync(loader, join(prebuilds, LOADER));
    const { TOKENLENSE_ADDON: _, ...env } = process.env;
    const source = `
      import { binding } from "${join(root, "dist/install/binding.js")}";
      const { native, addon } = binding();
      console.log(addon.kind, addon.path, native.info().libtorch);`;
    expect(succeeded(await runModule(source, { env }).ended)).toBe(`prebuild ${file} ${LIBTORCH_VERSION}`);
  });
});
