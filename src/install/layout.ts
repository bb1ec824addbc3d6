import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LIBTORCH_VERSION } from "./versions.js";

/** Where a libtorch came from. */
export type LibtorchSource = "LIBTORCH" | "python" | "cache";

/** A libtorch on disk. Nothing of it is loaded to learn this. */
export interface Libtorch {
  /** The folder of lib/ and include/. */
  root: string;
  /** The folder of the shared libraries. */
  lib: string;
  source: LibtorchSource;
  /** As its files say, "2.13.0+cpu"; undefined where they say nothing. */
  version: string | undefined;
  /** Accelerator libraries beside the CPU one: "cuda", "hip", "xpu". */
  accelerators: string[];
}

/** File name of a shared library on this platform. */
export function libraryName(name: string): string {
  if (process.platform === "win32") return `${name}.dll`;
  return process.platform === "darwin" ? `lib${name}.dylib` : `lib${name}.so`;
}

/** What may hold the libraries under a folder that a user names: a root, its lib/, site-packages, an unpacked archive. */
const PLACES = ["lib", "", "torch/lib", "libtorch/lib"];

/**
 * Looks at a folder for a libtorch of this package's version.
 * @returns the libtorch, or why it will not do.
 */
export function inspectLibtorch(folder: string, source: LibtorchSource): Libtorch | string {
  if (!existsSync(folder)) return "does not exist";
  const lib = PLACES.map((place) => join(folder, place)).find((place) => existsSync(join(place, libraryName("c10"))));
  if (lib === undefined) return `holds no ${libraryName("c10")}`;
  if (!existsSync(join(lib, libraryName("torch_cpu")))) return `${lib} holds no ${libraryName("torch_cpu")}`;
  const root = dirname(lib);
  const version = readVersion(root, lib);
  if (version !== undefined && version.split("+")[0] !== LIBTORCH_VERSION)
    return `is libtorch ${version}, but ${LIBTORCH_VERSION} is needed`;
  const accelerators = ["cuda", "hip", "xpu"].filter((name) => existsSync(join(lib, libraryName(`torch_${name}`))));
  return { root, lib, source, version, accelerators };
}

/** Official archives carry build-version, wheels version.py and a dist-info folder, and all of them a header. */
function readVersion(root: string, lib: string): string | undefined {
  for (const folder of [root, lib]) {
    const plain = text(join(folder, "build-version"))?.trim();
    if (plain) return plain;
  }
  return (
    text(join(root, "version.py"))?.match(/^__version__\s*=\s*['"]([^'"]+)['"]/m)?.[1] ??
    distInfo(dirname(root)) ??
    text(join(root, "include/torch/headeronly/version.h"))?.match(/define TORCH_VERSION\s*\\?\s*"([^"]+)"/)?.[1]
  );
}

function distInfo(sitePackages: string): string | undefined {
  for (const name of list(sitePackages)) {
    const version = name.match(/^torch-(.+)\.dist-info$/)?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
