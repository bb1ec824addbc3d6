import { chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { unpackLibtorch } from "./archive.js";
import { diskError } from "./disk.js";
import { download } from "./download.js";
import { inspectLibtorch, type Libtorch } from "./layout.js";
import { findLibtorch, libtorchCache, libtorchError } from "./libtorch.js";
import { withLock } from "./lock.js";
import { remember } from "./memory.js";
import { cacheDirectory } from "./paths.js";
import { pipLibtorch } from "./pip.js";
import type { Progress } from "./progress.js";
import { ARCHIVES, type Archive, LIBTORCH_VERSION } from "./versions.js";

/** Folder for what installing prints. */
export function logDirectory(): string {
  return join(cacheDirectory(), "logs");
}

/**
 * Finds libtorch, or fetches it into the cache: PyTorch's archive with a pinned digest, else pip. Safe to call from several
 * processes at once: one fetches, the others wait and use the result.
 * @throws ERR_TOKENLENSE_LIBTORCH with everything that was tried.
 */
export async function ensureLibtorch(progress: Progress): Promise<Libtorch> {
  const search = findLibtorch({ ask: true });
  if (search.found) {
    // Installed with LIBTORCH set means: used from there, also by processes that do not have it set.
    if (search.found.source === "LIBTORCH" && process.env.LIBTORCH) remember("LIBTORCH", resolve(process.env.LIBTORCH));
    return search.found;
  }
  const waiting = () => progress.line("waiting for another process that is fetching libtorch");
  return withLock(`${libtorchCache()}.lock`, () => fetchLibtorch(search.tried, progress), waiting);
}

async function fetchLibtorch(tried: readonly string[], progress: Progress): Promise<Libtorch> {
  const cache = libtorchCache();
  const there = inspectLibtorch(cache, "cache");
  if (typeof there !== "string") return there;

  const prefix = `${basename(cache)}.tmp-`;
  await removeLeftovers(dirname(cache), prefix);
  const failures: string[] = [];
  for (const [name, route] of Object.entries({ archive: fromArchive, pip: fromPip })) {
    const folder = await mkdtemp(join(dirname(cache), prefix));
    await chmod(folder, 0o755); // a cache may be shared
    try {
      await route(folder, progress);
      const result = inspectLibtorch(folder, "cache");
      if (typeof result === "string") throw new Error(`what was fetched ${result}`);
      await rm(cache, { recursive: true, force: true });
      await rename(folder, cache);
      const placed = inspectLibtorch(cache, "cache");
      if (typeof placed !== "string") return placed;
      throw new Error(`${cache} ${placed}`);
    } catch (error) {
      const again = inspectLibtorch(cache, "cache");
      if (typeof again !== "string") return again; // another process took the lock over and was faster
      const disk = error instanceof TokenlenseError && error.code === "ERR_TOKENLENSE_DISK" ? error : diskError(error);
      if (disk) throw disk;
      failures.push(`${name}: ${(error as Error).message}`);
      progress.line(`${name}: ${(error as Error).message}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw libtorchError([...tried, ...failures]);
}

/** The archive for this platform; another address (a mirror) may be given, and another file with its own digest. */
export function chosenArchive(): Archive {
  const known = ARCHIVES[`${process.platform}-${process.arch}`];
  const url = process.env.TOKENLENSE_LIBTORCH_URL ?? known?.url;
  const sha256 = process.env.TOKENLENSE_LIBTORCH_SHA256?.toLowerCase() ?? known?.sha256;
  if (url === undefined) throw new Error(`PyTorch has no libtorch for ${process.platform} ${process.arch}`);
  if (sha256 === undefined || !/^[0-9a-f]{64}$/.test(sha256))
    throw new Error(
      "TOKENLENSE_LIBTORCH_SHA256 must be the 64 hexadecimal digits of the file that TOKENLENSE_LIBTORCH_URL names",
    );
  return { url, sha256 };
}

async function fromArchive(folder: string, progress: Progress): Promise<void> {
  const { url, sha256 } = chosenArchive();
  const file = join(cacheDirectory(), "downloads", `${sha256}.zip`);
  const fetching = progress.bar(`fetching libtorch ${LIBTORCH_VERSION} from ${new URL(url).host}`, "bytes");
  try {
    await download({ url, digest: sha256, file, onProgress: fetching.update });
  } finally {
    fetching.stop();
  }
  const unpacking = progress.bar("unpacking libtorch", "bytes");
  try {
    await unpackLibtorch(file, folder, unpacking.update);
  } finally {
    unpacking.stop();
  }
  await rm(file, { force: true });
}

async function fromPip(folder: string, progress: Progress): Promise<void> {
  await mkdir(logDirectory(), { recursive: true });
  await pipLibtorch(folder, join(logDirectory(), "pip.log"), progress);
}

/** What killed processes left. */
async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith(prefix)) await rm(join(folder, name), { recursive: true, force: true });
}
