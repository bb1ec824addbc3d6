import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
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
  /**
   * `temporary` under a fixed name: it stays where `write` fails, and `write` goes on with what it finds of it. As two may
   * write it where a lock was lost, `write` must check what it leaves.
   */
  partial?: string;
  /** The variable that moves the folder, for messages. Default TOKENLENSE_CACHE. */
  variable?: string;
}

export interface NewEntry extends NewFile, LoadOptions {}

/**
 * Makes a cache entry once, however many processes ask for it: one writes, the others wait and find it. A process that is
 * killed in the middle is noticed after ten seconds, and what it left is removed. The entry appears whole or not at all.
 * @throws ERR_TOKENLENSE_DISK where it does not fit or cannot be written; whatever `write` throws.
 */
export async function makeOnce({ signal, onProgress, ...file }: NewEntry): Promise<void> {
  const { path, bytes, variable } = file;
  const place = { folder: dirname(path), variable };
  await mkdir(place.folder, { recursive: true }).catch((cause: unknown) => {
    throw diskError(cause, place, bytes);
  });
  const release = await lock(path, bytes, place, { signal, onProgress });
  try {
    if (existsSync(path)) return;
    await removeLeftovers(path);
    await writeWhole(file);
  } finally {
    await release();
  }
}

/**
 * Writes a file that appears whole or not at all, in place of one that was there.
 * @throws ERR_TOKENLENSE_DISK where it does not fit or cannot be written; whatever `write` throws.
 */
export async function writeWhole<T>({ path, bytes, write, partial, variable }: NewFile<T>): Promise<T> {
  const place = { folder: dirname(path), variable };
  const temporary = partial ?? `${path}.${process.pid}-${randomBytes(4).toString("hex")}.tmp`;
  const begun = await stat(temporary).catch(() => undefined);
  await requireSpace(place, bytes - (begun?.size ?? 0));
  try {
    const result = await write(temporary);
    await sync(temporary);
    await rename(temporary, path);
    return result;
  } catch (cause) {
    throw diskError(cause, place, bytes);
  } finally {
    if (partial === undefined) await rm(temporary, { force: true }).catch(() => {});
  }
}

/**
 * Removes a file of the cache, unless a process is making it. One that has it open goes on reading it.
 * @throws ERR_TOKENLENSE_DISK where it is being made, or cannot be removed.
 */
export async function removeEntry(path: string): Promise<void> {
  const place = { folder: dirname(path) };
  const release = await tryLock(path).catch((cause: unknown) => {
    throw diskError(cause, place, 0);
  });
  if (!release) throw inUse(path);
  try {
    await rm(path, { force: true });
  } catch (cause) {
    throw diskError(cause, place, 0);
  } finally {
    await release();
  }
}

/**
 * Throws where a process holds the lock of an entry in `folder` whose name begins with `prefix`: it may be reading what
 * others of that name hold.
 */
export async function refuseWhileMade(folder: string, prefix = ""): Promise<void> {
  const lockfile = await import("proper-lockfile");
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (!name.startsWith(prefix) || !name.endsWith(".lock")) continue;
    const entry = join(folder, name.slice(0, -".lock".length));
    if (await lockfile.check(entry, { realpath: false, stale: STALE_MILLISECONDS })) throw inUse(entry);
  }
}

const inUse = (path: string) =>
  new TokenlenseError("ERR_TOKENLENSE_DISK", `Another process is just making ${path}.`, {
    hint: "Wait until it is through, or stop it; the lock of a process that was killed ends after ten seconds.",
  });

/** A lock is touched every two seconds; one that was not for ten belonged to a process that is gone. */
const STALE_MILLISECONDS = 10_000;

type Release = () => Promise<void>;

async function lock(path: string, bytes: number, place: Place, { signal, onProgress }: LoadOptions): Promise<Release> {
  for (let first = true; ; first = false) {
    throwIfCancelled(signal);
    const release = await tryLock(path).catch((cause: unknown) => {
      throw diskError(cause, place, bytes);
    });
    if (release) return release;
    if (first) onProgress?.({ phase: "wait", done: 0, total: 0 });
    await sleep(200);
  }
}

/** @returns how to give the lock back; undefined where another holds it. */
async function tryLock(path: string): Promise<Release | undefined> {
  const lockfile = await import("proper-lockfile");
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
    if ((cause as NodeJS.ErrnoException).code === "ELOCKED") return undefined;
    throw cause;
  }
}

/** Only to be called under the entry's lock. */
async function removeLeftovers(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const leftovers = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(".tmp"));
  await Promise.all(leftovers.map((name) => rm(join(dirname(path), name), { recursive: true, force: true })));
}

/** Where something is written, and by which variable that can be changed. */
interface Place {
  folder: string;
  variable?: string | undefined;
}

/** @throws ERR_TOKENLENSE_DISK where the folder's disk has less room. */
export async function requireSpace(place: Place, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(place.folder);
  if (bavail * bsize >= bytes) return;
  throw noSpace(place, bytes, `${size(bavail * bsize)} are free`);
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
function diskError(cause: unknown, place: Place, bytes: number): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code && ["ENOSPC", "EDQUOT", "EFBIG", "ERR_TOKENLENSE_DISK"].includes(code)) {
    return noSpace(place, bytes, message, cause);
  }
  if (code && ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EBUSY"].includes(code)) {
    return new TokenlenseError("ERR_TOKENLENSE_DISK", `${place.folder} cannot be written: ${message}.`, {
      hint: `Set ${place.variable ?? "TOKENLENSE_CACHE"} to a folder that can.`,
      cause,
    });
  }
  return cause;
}

function noSpace({ folder, variable }: Place, bytes: number, what: string, cause?: unknown): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_DISK",
    `${size(bytes)} are needed in ${folder}; ${what.replace(/\.$/, "")}.`,
    {
      hint: `Free some space, or set ${variable ?? "TOKENLENSE_CACHE"} to a folder on a larger disk.`,
      cause,
    },
  );
}

const size = (bytes: number): string =>
  bytes < 1e6 ? `${bytes} bytes` : bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
