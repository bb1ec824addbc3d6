import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ensureLibtorch } from "../../src/install/fetch.js";
import { libraryName } from "../../src/install/layout.js";
import { findLibtorch, libtorchCache } from "../../src/install/libtorch.js";
import type { Progress } from "../../src/install/progress.js";
import { LIBTORCH_VERSION } from "../../src/install/versions.js";
import { compiled, runModule } from "./processes.js";
import { type Behaviour, type StandIn, standIn } from "./standin.js";
import { fakeLibtorch, isolated, write } from "./temporary.js";
import { zip } from "./zip.js";

const test = isolated();
const silent: Progress = { line() {}, bar: () => ({ update() {}, stop() {} }) };

const wheel = (version: string) =>
  zip({
    [`torch/lib/${libraryName("c10")}`]: "c10",
    [`torch/lib/${libraryName("torch_cpu")}`]: "cpu",
    [`torch/lib/${libraryName("torch_python")}`]: "needs Python",
    "torch/include/ATen/ATen.h": "header",
    "torch/version.py": `__version__ = '${version}'\n`,
    "torch/__init__.py": "python",
    "torch-2.13.0.dist-info/METADATA": "",
  });

let server: StandIn | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

/** Serves `content` as the archive of libtorch. */
async function offer(content: Buffer, behaviour?: Behaviour): Promise<StandIn> {
  server = await standIn(content, behaviour);
  vi.stubEnv("TOKENLENSE_LIBTORCH_URL", server.url);
  vi.stubEnv("TOKENLENSE_LIBTORCH_SHA256", createHash("sha256").update(content).digest("hex"));
  return server;
}

const cacheEntries = () => readdirSync(join(test.folder, "cache")).sort();

describe("ensureLibtorch", () => {
  it("fetches the archive and keeps the libtorch in it", async () => {
    await offer(wheel(`${LIBTORCH_VERSION}+cpu`));
    const root = join(libtorchCache(), "torch");
    const found = await ensureLibtorch(silent);
    expect(found).toMatchObject({ root, source: "cache", version: `${LIBTORCH_VERSION}+cpu` });
    expect(readFileSync(join(root, "include/ATen/ATen.h"), "utf8")).toBe("header");
    expect(readdirSync(join(root, "lib")).sort()).toEqual([libraryName("c10"), libraryName("torch_cpu")].sort());
    expect(existsSync(join(root, "__init__.py"))).toBe(false);
    expect(readdirSync(join(test.folder, "cache/downloads"))).toEqual([]);
    expect(findLibtorch().found).toEqual(found);
  });

  it("fetches nothing where a libtorch is found", async () => {
    const { ranges } = await offer(wheel(LIBTORCH_VERSION));
    fakeLibtorch(join(test.folder, "own"));
    vi.stubEnv("LIBTORCH", join(test.folder, "own"));
    expect(await ensureLibtorch(silent)).toMatchObject({ source: "LIBTORCH" });
    expect(ranges).toEqual([]);
    // The program may run later without the variable.
    vi.stubEnv("LIBTORCH", undefined);
    expect(findLibtorch().found).toMatchObject({ root: join(test.folder, "own"), source: "LIBTORCH" });
  });

  it.each([
    ["a wrong digest", wheel(LIBTORCH_VERSION), "0".repeat(64), "SHA-256"],
    ["another version", wheel("2.12.1"), undefined, `is libtorch 2.12.1, but ${LIBTORCH_VERSION} is needed`],
    ["a damaged archive", Buffer.from("PK but no zip"), undefined, "is not a zip file"],
    ["an archive without libtorch", zip({ "torch/version.py": "" }), undefined, `holds no ${libraryName("c10")}`],
    [
      "an archive that leads out of its folder",
      zip({ "torch/lib/../../../x": "" }),
      undefined,
      "invalid relative path",
    ],
    ["a digest that is none", wheel(LIBTORCH_VERSION), "abc", "TOKENLENSE_LIBTORCH_SHA256"],
  ])("refuses %s, says all that was tried and leaves nothing", async (_, content, sha256, reason) => {
    await offer(content);
    if (sha256) vi.stubEnv("TOKENLENSE_LIBTORCH_SHA256", sha256);
    const error = await ensureLibtorch(silent).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_LIBTORCH" });
    for (const part of ["LIBTORCH: not set", reason, "pip: no python3"]) expect(error?.message).toContain(part);
    expect(cacheEntries().filter((name) => name.startsWith("libtorch-"))).toEqual([]);
  });

  it("is fetched once by two processes at once", async () => {
    const { ranges } = await offer(wheel(LIBTORCH_VERSION));
    const source = `
      import { ensureLibtorch } from "${compiled("install/fetch.js")}";
      console.log((await ensureLibtorch({ line() {}, bar: () => ({ update() {}, stop() {} }) })).root);`;
    const both = await Promise.all([0, 1, 2].map(() => runModule(source, { env: process.env }).ended));
    for (const { stdout, stderr } of both) expect(stdout, stderr).toBe(`${join(libtorchCache(), "torch")}\n`);
    expect(ranges).toEqual([undefined]);
    expect(cacheEntries()).not.toContain(`libtorch-${LIBTORCH_VERSION}.lock`);
  });

  it("takes over from a process that was killed, and cleans up after it", async () => {
    const content = wheel(LIBTORCH_VERSION);
    const { ranges } = await offer(content, (request) => (request === 0 ? { stall: 100 } : {}));
    const source = `
      import { ensureLibtorch } from "${compiled("install/fetch.js")}";
      await ensureLibtorch({ line() {}, bar: () => ({ update: (done) => done === 100 && console.log("half"), stop() {} }) });`;
    const { child, ended } = runModule(source, { env: process.env });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.kill("SIGKILL");
    expect((await ended).signal).toBe("SIGKILL");
    const lock = join(test.folder, `cache/libtorch-${LIBTORCH_VERSION}.lock`);
    expect(cacheEntries().filter((name) => name.includes(".tmp-"))).toHaveLength(1);
    const old = new Date(Date.now() - 60_000); // as if it had been killed a minute ago
    utimesSync(lock, old, old);
    expect(await ensureLibtorch(silent)).toMatchObject({ source: "cache" });
    expect(ranges).toEqual([undefined, "bytes=100-"]);
    expect(cacheEntries().filter((name) => name.includes(".tmp-") || name.endsWith(".lock"))).toEqual([]);
  });
});

const REAL_PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();

/** A python3 whose pip offers only `requirement`, and writes down how it was called. */
function fakePip(requirement: string, files: Record<string, string>): () => string[] {
  const calls = join(test.folder, "calls");
  const site = join(test.folder, "wheel");
  for (const [name, text] of Object.entries(files)) write(join(site, name), text);
  const script = `#!/bin/sh
[ "$1" = -m ] || exec '${REAL_PYTHON}' "$@"
echo "$@" >> '${calls}'
while [ $# -gt 1 ]; do [ "$1" = --target ] && target="$2"; shift; done
[ "$1" = '${requirement}' ] || { echo "ERROR: No matching distribution found for $1" >&2; exit 1; }
/bin/mkdir -p "$target" && /bin/cp -r '${site}/.' "$target"
`;
  write(join(test.folder, "bin/python3"), script);
  chmodSync(join(test.folder, "bin/python3"), 0o755);
  return () => readFileSync(calls, "utf8").trim().split("\n");
}

describe("the pip route", () => {
  const files = {
    [`torch/lib/${libraryName("c10")}`]: "",
    [`torch/lib/${libraryName("torch_cpu")}`]: "",
    [`torch/lib/${libraryName("torch_python")}`]: "",
    "torch/include/ATen/ATen.h": "",
    "torch/version.py": `__version__ = '${LIBTORCH_VERSION}'\n`,
    "torch/__init__.py": "",
    "sympy/__init__.py": "",
    "nvidia/cu13/lib/libcudart.so.13": "",
  };

  it("serves where the archive cannot be had, without Python's half", async () => {
    await offer(Buffer.alloc(0), () => ({ status: 404 }));
    const calls = fakePip(`torch==${LIBTORCH_VERSION}+cpu`, files);
    const { root } = await ensureLibtorch(silent);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toContain("--no-deps");
    expect(readdirSync(root).sort()).toEqual(["include", "lib", "version.py"]);
    expect(readdirSync(join(root, "lib"))).not.toContain(libraryName("torch_python"));
    expect(existsSync(join(libtorchCache(), "sympy"))).toBe(false);
  });

  it.runIf(process.platform === "linux")(
    "falls back to the CUDA build, says its size and keeps its libraries",
    async () => {
      await offer(Buffer.alloc(0), () => ({ status: 404 }));
      const calls = fakePip(`torch==${LIBTORCH_VERSION}`, files);
      const said: string[] = [];
      const bar: Progress["bar"] = (name, unit) => {
        said.push(name);
        return silent.bar(name, unit);
      };
      await ensureLibtorch({ ...silent, bar });
      expect(calls()).toHaveLength(2);
      expect(calls()[1]).not.toContain("--no-deps");
      expect(said.join("\n")).toContain("2.7 GB");
      expect(existsSync(join(libtorchCache(), "nvidia/cu13/lib/libcudart.so.13"))).toBe(true);
    },
  );

  it("says what pip said", async () => {
    await offer(Buffer.alloc(0), () => ({ status: 404 }));
    fakePip("torch==0", {});
    await expect(ensureLibtorch(silent)).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_LIBTORCH",
      message: expect.stringContaining(`No matching distribution found for torch==${LIBTORCH_VERSION}`),
    });
  });
});
