import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { inspectLibtorch, libraryName } from "../../src/install/layout.js";
import { findLibtorch, libtorchCache, libtorchError } from "../../src/install/libtorch.js";
import { LIBTORCH_VERSION } from "../../src/install/versions.js";
import { fakeLibtorch, isolated, write } from "./temporary.js";

const test = isolated();
const OTHER = "2.12.1";

describe("inspectLibtorch", () => {
  it.each([
    ["a root", "", ""],
    ["its folder of libraries", "lib", ""],
    ["the folder above a Python torch", "..", "torch"],
    ["the folder above an unpacked archive", "..", "libtorch"],
  ])("takes %s", (_, named, own) => {
    const root = fakeLibtorch(join(test.folder, "a", own), { "build-version": `${LIBTORCH_VERSION}+cpu\n` });
    expect(inspectLibtorch(join(root, named), "LIBTORCH")).toEqual({
      root,
      lib: join(root, "lib"),
      source: "LIBTORCH",
      version: `${LIBTORCH_VERSION}+cpu`,
      accelerators: [],
    });
  });

  it.each([
    ["build-version", { "build-version": OTHER }],
    ["version.py", { "version.py": `from typing import Optional\n__version__ = '${OTHER}+cu130'\n` }],
    ["dist-info", { [`../torch-${OTHER}.dist-info/METADATA`]: "" }],
    ["version.h", { "include/torch/headeronly/version.h": `#define TORCH_VERSION \\\n  "${OTHER}"\n` }],
  ])("reads the version from %s", (_, files) => {
    const root = fakeLibtorch(join(test.folder, "site/torch"), files);
    expect(inspectLibtorch(root, "python")).toMatch(
      new RegExp(`^is libtorch ${OTHER}.*, but ${LIBTORCH_VERSION} is needed$`),
    );
  });

  it("leaves the version open where no file tells", () => {
    expect(inspectLibtorch(fakeLibtorch(join(test.folder, "a")), "LIBTORCH")).toMatchObject({ version: undefined });
  });

  it("sees accelerator libraries", () => {
    const root = fakeLibtorch(join(test.folder, "a"), { [`lib/${libraryName("torch_cuda")}`]: "" });
    expect(inspectLibtorch(root, "LIBTORCH")).toMatchObject({ accelerators: ["cuda"] });
  });

  it("says what is missing", () => {
    expect(inspectLibtorch(join(test.folder, "none"), "LIBTORCH")).toBe("does not exist");
    write(join(test.folder, "empty/readme"));
    expect(inspectLibtorch(join(test.folder, "empty"), "LIBTORCH")).toBe(`holds no ${libraryName("c10")}`);
    rmSync(join(fakeLibtorch(join(test.folder, "half")), "lib", libraryName("torch_cpu")));
    expect(inspectLibtorch(join(test.folder, "half"), "LIBTORCH")).toContain(`holds no ${libraryName("torch_cpu")}`);
  });
});

const REAL_PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();

/** A python3 on the PATH that notes each start and whose torch, if any, is in `site`; importing that torch is an error. */
function fakePython(site: string): { path: string; starts: () => number } {
  const path = join(test.folder, "bin/python3");
  const count = join(test.folder, "starts");
  write(path, `#!/bin/sh\necho x >> '${count}'\nPYTHONPATH='${site}' exec '${REAL_PYTHON}' "$@"\n`);
  chmodSync(path, 0o755);
  return { path, starts: () => (existsSync(count) ? readFileSync(count, "utf8").trim().split("\n").length : 0) };
}

function pythonTorch(version: string): string {
  const root = fakeLibtorch(join(test.folder, "site/torch"), {
    "__init__.py": "raise SystemExit('torch was imported')",
    "version.py": `__version__ = '${version}'\n`,
  });
  return root;
}

describe("findLibtorch", () => {
  it("takes LIBTORCH before Python before the cache", () => {
    const python = fakePython(join(test.folder, "site"));
    const torch = pythonTorch(LIBTORCH_VERSION);
    const own = fakeLibtorch(join(test.folder, "own"));
    fakeLibtorch(libtorchCache());
    vi.stubEnv("LIBTORCH", own);
    expect(findLibtorch({ ask: true }).found).toMatchObject({ root: own, source: "LIBTORCH" });
    vi.stubEnv("LIBTORCH", undefined);
    expect(findLibtorch({ ask: true }).found).toMatchObject({ root: torch, source: "python" });
    rmSync(python.path);
    expect(findLibtorch({ ask: true }).found).toMatchObject({ root: libtorchCache(), source: "cache" });
  });

  it("finds a Python's torch without importing it, and starts Python once", () => {
    const python = fakePython(join(test.folder, "site"));
    const root = pythonTorch(`${LIBTORCH_VERSION}+cpu`);
    for (let start = 0; start < 3; ++start)
      expect(findLibtorch().found).toMatchObject({ root, version: `${LIBTORCH_VERSION}+cpu` });
    expect(python.starts()).toBe(1);
  });

  it("does not start Python where the cache serves", () => {
    const python = fakePython(join(test.folder, "site"));
    fakeLibtorch(libtorchCache());
    expect(findLibtorch().found?.source).toBe("cache");
    expect(python.starts()).toBe(0);
  });

  it("asks again when the torch it remembers is gone", () => {
    const python = fakePython(join(test.folder, "site"));
    const root = pythonTorch(LIBTORCH_VERSION);
    expect(findLibtorch().found?.root).toBe(root);
    rmSync(root, { recursive: true });
    expect(findLibtorch().found).toBeUndefined();
    expect(python.starts()).toBe(2);
  });

  it("notices that a remembered torch was upgraded in place", () => {
    fakePython(join(test.folder, "site"));
    pythonTorch(LIBTORCH_VERSION);
    expect(findLibtorch().found).toBeDefined();
    pythonTorch(OTHER);
    const { found, tried } = findLibtorch();
    expect(found).toBeUndefined();
    expect(tried.join("\n")).toContain(`is libtorch ${OTHER}`);
  });

  it("does not take a folder named torch in the working directory for Python's", () => {
    fakePython(join(test.folder, "nowhere"));
    fakeLibtorch(join(test.folder, "project/torch"), { "__init__.py": "" });
    const before = process.cwd();
    process.chdir(join(test.folder, "project"));
    try {
      expect(findLibtorch({ ask: true }).found).toBeUndefined();
    } finally {
      process.chdir(before);
    }
  });

  it("remembers no damage: a broken memory file is as none", () => {
    const python = fakePython(join(test.folder, "site"));
    const root = pythonTorch(LIBTORCH_VERSION);
    write(join(test.folder, "cache/libtorch.json"), '{"cut sho');
    expect(findLibtorch().found?.root).toBe(root);
    expect(python.starts()).toBe(1);
  });

  it("collects every candidate and its reason in the error", () => {
    const python = fakePython(join(test.folder, "site"));
    pythonTorch(OTHER);
    vi.stubEnv("LIBTORCH", join(test.folder, "none"));
    const { found, tried } = findLibtorch();
    expect(found).toBeUndefined();
    const error = libtorchError(tried);
    expect(error.code).toBe("ERR_TOKENLENSE_LIBTORCH");
    expect(error.message).toContain(`LIBTORCH: ${join(test.folder, "none")} does not exist`);
    expect(error.message).toContain(`Python ${python.path}: ${join(test.folder, "site/torch")} is libtorch ${OTHER}`);
    expect(error.message).toContain(`cache: ${libtorchCache()} does not exist`);
    expect(error.hint).toContain(`torch==${LIBTORCH_VERSION}`);
  });
});
