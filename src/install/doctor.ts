import { existsSync } from "node:fs";
import { access, constants, readdir, stat } from "node:fs/promises";
import os from "node:os";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import type { NativeInfo, NativeProgress } from "../native.js";
import { type Addon, findAddon } from "./addon.js";
import { binding } from "./binding.js";
import { type GemmMeasurement, measureGemm } from "./gemm.js";
import type { Libtorch } from "./layout.js";
import { findLibtorch, libtorchError } from "./libtorch.js";
import { packageRoot, packageVersion } from "./package.js";
import { cacheDirectory } from "./paths.js";
import { LIBTORCH_VERSION } from "./versions.js";

/** Something that keeps the package, or part of it, from working. */
export interface Problem {
  /** Code of the error; undefined for a warning. */
  code?: string;
  what: string;
  /** What to do about it. */
  hint: string;
}

/** Files of one kind in the cache. */
export interface CacheKind {
  /** Name of the folder or file in the cache: "libtorch-2.13.0", "models", … */
  name: string;
  bytes: number;
  files: number;
}

export interface DoctorReport {
  package: { version: string; root: string };
  node: { version: string; executable: string };
  platform: {
    os: string;
    arch: string;
    release: string;
    libc: string;
    cpu: string;
    cores: number;
    memoryBytes: number;
  };
  /** `needed` is the version this package is built for; `passedOver` what was looked at before `found`, with the reason. */
  libtorch: { needed: string; found?: Libtorch; passedOver: string[] };
  addon?: Addon;
  /** What the addon says of itself, its libtorch and this machine. Undefined where it does not load. */
  info?: NativeInfo;
  /** Matrix product paths measured now, and which won; with `gemm` only. */
  gemm?: GemmMeasurement[];
  cache: { directory: string; bytes: number; kinds: CacheKind[] };
  /** Empty where everything works. */
  problems: Problem[];
}

/**
 * Looks at everything the package needs. What fails is among `problems`.
 * @param options.gemm measure the matrix product paths as well; some seconds.
 * @throws ERR_TOKENLENSE_CANCELLED, and what measuring throws.
 */
export async function doctor(
  options: { gemm?: boolean; signal?: AbortSignal; onProgress?: NativeProgress } = {},
): Promise<DoctorReport> {
  const problems: Problem[] = [];
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      problems.push(problem(error));
      return undefined;
    }
  };
  const addon = attempt(findAddon);
  const { found, tried } = findLibtorch();
  if (!found) problems.push(problem(libtorchError(tried)));
  const loaded = addon && found ? attempt(binding) : undefined;
  for (const warning of loaded?.warnings ?? [])
    problems.push({
      what: warning,
      hint: "The CPU is used. Install the libraries that the message names to use the accelerator.",
    });
  const info = loaded && attempt(() => loaded.native.info());
  const gemm = loaded && options.gemm ? await measureGemm(loaded.native, options) : undefined;
  const cache = await cacheContents(problems);
  return {
    package: { version: packageVersion(), root: packageRoot() },
    node: { version: process.versions.node, executable: process.execPath },
    platform: platform(),
    libtorch: { needed: LIBTORCH_VERSION, ...(found ? { found } : {}), passedOver: tried },
    ...(addon ? { addon } : {}),
    ...(info ? { info } : {}),
    ...(gemm ? { gemm } : {}),
    cache,
    problems,
  };
}

function problem(error: unknown): Problem {
  const { code, message, hint } = TokenlenseError.from(error);
  return { code, what: message, hint: hint ?? "Please report this with the whole output of `tokenlense doctor`." };
}

function platform(): DoctorReport["platform"] {
  Object.assign(process.report, { excludeNetwork: true }); // looking hosts up may take seconds
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const glibc = report.header?.glibcVersionRuntime;
  const libc = process.platform !== "linux" ? "" : glibc ? `glibc ${glibc}` : "musl";
  const cpus = os.cpus();
  return {
    os: process.platform,
    arch: process.arch,
    release: os.release(),
    libc,
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
  };
}

async function cacheContents(problems: Problem[]): Promise<DoctorReport["cache"]> {
  const directory = cacheDirectory();
  const kinds: CacheKind[] = [];
  try {
    const names = existsSync(directory) ? await readdir(directory) : [];
    if (existsSync(directory)) await access(directory, constants.W_OK);
    for (const name of names.sort()) kinds.push({ name, ...(await measureFiles(join(directory, name))) });
  } catch (cause) {
    problems.push({
      code: "ERR_TOKENLENSE_FILE",
      what: `the cache ${directory} cannot be used: ${(cause as Error).message}`,
      hint: "Choose another folder with TOKENLENSE_CACHE.",
    });
  }
  return { directory, kinds, bytes: kinds.reduce((sum, kind) => sum + kind.bytes, 0) };
}

async function measureFiles(path: string): Promise<{ bytes: number; files: number }> {
  const found = await stat(path).catch(() => undefined); // another process may be cleaning up
  if (!found?.isDirectory()) return { bytes: found?.size ?? 0, files: found ? 1 : 0 };
  const total = { bytes: 0, files: 0 };
  for (const name of await readdir(path)) {
    const inner = await measureFiles(join(path, name));
    total.bytes += inner.bytes;
    total.files += inner.files;
  }
  return total;
}
