import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { CommandError, runLogged } from "./command.js";
import type { Libtorch } from "./layout.js";
import { withLock } from "./lock.js";
import { packageRoot, packageVersion } from "./package.js";
import type { Progress } from "./progress.js";
import { LIBTORCH_VERSION } from "./versions.js";

/** How to compile. Each has its own folder, so that one does not undo another's work. */
export type Variant = "release" | "asan" | "copied-buffers";

const FLAGS: Record<Variant, string[]> = {
  release: [],
  asan: ["TOKENLENSE_SANITIZE=ON"],
  "copied-buffers": ["TOKENLENSE_NO_EXTERNAL_BUFFERS=ON"],
};

export function isVariant(name: string): name is Variant {
  return Object.hasOwn(FLAGS, name);
}

/** A translation unit of libtorch's headers needs up to this much memory. */
const BYTES_PER_COMPILER = 3 * 2 ** 30;

const require = createRequire(import.meta.url);

/** Folders of a variant: what is compiled, and the files in between (CMake's, kept so that little is compiled again). */
export function buildFolders(variant: Variant): { output: string; work: string } {
  const root = packageRoot();
  const output = join(root, variant === "release" ? "build" : `build-${variant}`, "Release");
  return { output, work: join(root, `build-cmake${variant === "release" ? "" : `-${variant}`}`) };
}

/** True where an addon, compiled here or prebuilt, is of the sources as they are now. */
export async function isCurrent(addon: string, variant: Variant = "release"): Promise<boolean> {
  const stamp = await readFile(stampFile(dirname(addon)), "utf8").catch(() => "");
  return stamp === (await fingerprint(variant));
}

/**
 * Compiles both addons with cmake-js. What has not changed is not compiled again.
 * @returns the main addon.
 * @throws ERR_TOKENLENSE_ADDON with the end of the compiler's output and where all of it is.
 */
export async function compile(libtorch: Libtorch, variant: Variant, progress: Progress): Promise<string> {
  requireTools();
  if (!existsSync(join(libtorch.root, "include/ATen/ATen.h")))
    throw new TokenlenseError(
      "ERR_TOKENLENSE_ADDON",
      `cannot compile: ${libtorch.root} has no include/ with libtorch's headers`,
      {
        hint: `Unset LIBTORCH to have libtorch fetched with its headers, or point it at a whole libtorch ${LIBTORCH_VERSION}.`,
      },
    );
  const { output, work } = buildFolders(variant);
  const addon = join(output, "tokenlense.node");
  let waited = false;
  const waiting = () => {
    waited = true;
    progress.line("waiting for another process that is compiling here");
  };
  const once = async () => {
    if (waited && (await isCurrent(addon, variant))) return;
    await build(libtorch, variant, progress);
    // A clone keeps CMake's files, so that the next build is short; an installed package gives back their space.
    if (!existsSync(join(packageRoot(), "tsconfig.build.json"))) await rm(work, { recursive: true, force: true });
  };
  await withLock(`${work}.lock`, once, waiting);
  return addon;
}

async function build(libtorch: Libtorch, variant: Variant, progress: Progress): Promise<void> {
  const { output, work } = buildFolders(variant);
  const log = join(work, "compile.log");
  await rm(log, { force: true });
  await rm(stampFile(output), { force: true });
  const stamp = await fingerprint(variant);
  const defines = [
    `TOKENLENSE_LIBTORCH=${libtorch.root}`,
    `TOKENLENSE_LIBTORCH_VERSION=${LIBTORCH_VERSION}`,
    `TOKENLENSE_VERSION=${packageVersion()}`,
    `TOKENLENSE_OUTPUT=${output}`,
    ...FLAGS[variant],
  ];
  // package.json's binary.napi_versions has cmake-js take Node's headers from node-api-headers: nothing is fetched.
  const tool = join(dirname(require.resolve("cmake-js/package.json")), "bin/cmake-js");
  const options = ["--directory", packageRoot(), "--out", work, "--config", "Release"];
  const run = (command: string, onLine?: (line: string) => void) =>
    runLogged(process.execPath, [tool, command, ...options, ...defines.map((define) => `--CD${define}`)], {
      log,
      env: { ...process.env, CMAKE_BUILD_PARALLEL_LEVEL: String(parallelism()) },
      ...(onLine ? { onLine } : {}),
    });
  const bar = progress.bar("compiling the native addon (some minutes the first time)", "percent");
  try {
    await run("configure");
    await run("build", (line) => {
      const [, done, of, percent] = line.match(/^\[\s*(?:(\d+)\/(\d+)|(\d+)%)\]/) ?? [];
      if (percent ?? of) bar.update(percent ? Number(percent) : (100 * Number(done)) / Number(of), 100);
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new TokenlenseError("ERR_TOKENLENSE_ADDON", `the native addon does not compile:\n${error.tail}`, {
      hint: `The whole output is in ${log}.`,
      cause: error,
    });
  } finally {
    bar.stop();
  }
  await writeFile(stampFile(output), stamp);
}

/** Beside an addon: of which sources it is. */
export const STAMP = "sources.sha256";
const stampFile = (output: string) => join(output, STAMP);

/** Of everything that decides what is compiled, save where libtorch lies. */
async function fingerprint(variant: Variant): Promise<string> {
  const root = packageRoot();
  const hash = createHash("sha256");
  hash.update([LIBTORCH_VERSION, packageVersion(), ...FLAGS[variant]].join("\n"));
  const native = await readdir(join(root, "native"), { recursive: true, withFileTypes: true });
  const files = native.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of [join(root, "CMakeLists.txt"), ...files.sort()]) {
    hash.update(`\n${file.slice(root.length)}\n`);
    hash.update(await readFile(file));
  }
  return `${hash.digest("hex")}\n`;
}

function parallelism(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_COMPILER)));
}

function requireTools(): void {
  const missing: string[] = [];
  if (!onPath("cmake")) missing.push("cmake (`pip install cmake`, or your system's package `cmake`)");
  // On Windows CMake finds Visual Studio, which is not on the PATH, and says itself where there is none.
  if (process.platform !== "win32" && !process.env.CXX && !["c++", "g++", "clang++"].some(onPath)) {
    const system =
      process.platform === "darwin" ? "`xcode-select --install`" : "your system's package `g++` or `build-essential`";
    missing.push(`a C++20 compiler (${system})`);
  }
  if (missing.length > 0)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_ADDON",
      `no prebuilt addon fits ${process.platform} ${process.arch}, and it cannot be compiled here: missing ${missing.join(" and ")}`,
      {
        hint: "Install what is missing and run `npm rebuild tokenlense-native` (in a clone: `npm install`).",
      },
    );
}

function onPath(name: string): boolean {
  const file = process.platform === "win32" ? `${name}.exe` : name;
  return (process.env.PATH ?? "").split(delimiter).some((folder) => folder !== "" && existsSync(join(folder, file)));
}
