import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TokenlenseError } from "../errors.js";
import { cacheDirectory } from "../install/paths.js";
import { throwIfCancelled } from "../task.js";
import type { LoadOptions } from "./progress.js";

/**
 * The folder of models in the cache: `<name>-<digest>.gguf` as downloaded, `<name>-<digest>-<recipe>.pt` as built. While an entry
 * is made it has a lock `<entry>.lock` and a file `<entry>.<process>-<random>.tmp`, which is renamed when it is whole.
 */
export function modelCache(): string {
  return join(cacheDirectory(), "models");
}

export interface NewFile<T = void> {
  /** Where the file is to be. */
  path: string;
  /** Bytes of disk that making it takes at most. */
  bytes: number;
  /** Writes the whole file to `temporary`, in the same folder; what it gives is kept. */
  write(temporary: string): Promise<T>;
}

export interface NewEntry extends NewFile, LoadOptions {}

/**
 * Makes a cache entry once, however many processes ask for it: one writes, the others wait and find it. A process that is
 * killed in the middle is noticed after ten seconds, and what it left is removed. The entry appears whole or not at all.
 * @throws ERR_TOKENLENSE_DISK where it does not fit or cannot be written; whatever `write` throws.
 */
export async function makeOnce({ path, bytes, write, signal, onProgress }: NewEntry): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw diskError(cause, folder, bytes);
  });
  const release = await lock(path, bytes, { signal, onProgress });
  try {
    if (existsSync(path)) return;
    await removeLeftovers(path);
    await writeWhole({ path, bytes, write });
  } finally {
    await release();
  }
}

/**
 * Writes a file that appears whole or not at all, in place of one that was there.
 * @throws ERR_TOKENLENSE_DISK where it does not fit or cannot be written; whatever `write` throws.
 */
export async function writeWhole<T>({ path, bytes, write }: NewFile<T>): Promise<T> {
  const folder = dirname(path);
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  await requireSpace(folder, bytes);
  try {
    const result = await write(temporary);
    await sync(temporary);
    await rename(temporary, path);
    return result;
  } catch (cause) {
    throw diskError(cause, folder, bytes);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

/** A lock is touched every two seconds; one that was not for ten belonged to a process that is gone. */
const STALE_MILLISECONDS = 10_000;

async function lock(path: string, bytes: number, { signal, onProgress }: LoadOptions): Promise<() => Promise<void>> {
  const lockfile = await import("proper-lockfile");
  for (let first = true; ; first = false) {
    throwIfCancelled(signal);
    try {
      const release = await lockfile.lock(path, {
        realpath: false,
        stale: STALE_MILLISECONDS,
        update: STALE_MILLISECONDS / 5,
        // A process that was asleep may lose its lock. Two then write, each its own file, and the last rename stays.
        onCompromised: () => {},
      });
      return () => release().catch(() => {});
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ELOCKED") throw diskError(cause, dirname(path), bytes);
      if (first) onProgress?.({ phase: "wait", done: 0, total: 0 });
      await sleep(200);
    }
  }
}

/** Only to be called under the entry's lock. */
async function removeLeftovers(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const leftovers = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(".tmp"));
  await Promise.all(leftovers.map((name) => rm(join(dirname(path), name), { recursive: true, force: true })));
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw noSpace(folder, bytes, `${size(bavail * bsize)} are free`);
}

/** What was written must be on the disk before its name is: else a power cut leaves a whole name on half a file. */
async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Errors of the file system as ERR_TOKENLENSE_DISK; others as they are. */
function diskError(cause: unknown, folder: string, bytes: number): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code && ["ENOSPC", "EDQUOT", "EFBIG", "ERR_TOKENLENSE_DISK"].includes(code)) {
    return noSpace(folder, bytes, message, cause);
  }
  if (code && ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST"].includes(code)) {
    return new TokenlenseError("ERR_TOKENLENSE_DISK", `${folder} cannot be written: ${message}.`, {
      hint: `Choose a folder that can; ${CACHE_IS}.`,
      cause,
    });
  }
  return cause;
}

function noSpace(folder: string, bytes: number, what: string, cause?: unknown): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_DISK",
    `${size(bytes)} are needed in ${folder}; ${what.replace(/\.$/, "")}.`,
    {
      hint: `Free some space, or choose a folder on a larger disk; ${CACHE_IS}.`,
      cause,
    },
  );
}

const CACHE_IS = "that of the cache is set by TOKENLENSE_CACHE";

const size = (bytes: number): string =>
  bytes < 1e6 ? `${bytes} bytes` : bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
