import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { complete } from "../install/download.js";
import { Passing } from "../install/retry.js";
import { makeOnce, requireSpace } from "./cache.js";
import { rememberSha256, sha256 } from "./digest.js";
import type { CachedRepository } from "./hub-cache.js";
import { fileAddress, gaveUp, type HubRequests } from "./hub-request.js";
import type { LoadOptions } from "./progress.js";

/** A file of a repository. */
export interface HubFile {
  path: string;
  bytes: number;
  /** SHA-256 of a large file; of one that lies in git itself, git's SHA-1. */
  etag: string;
}

/** Bytes of all files of a job, so far and known to come. */
export interface Tally {
  done: number;
  total: number;
}

export interface Job {
  repository: CachedRepository;
  commit: string;
  requests: HubRequests;
  tally: Tally;
  options: LoadOptions;
}

/** Downloads what the snapshot has not. Errors: ERR_TOKENLENSE_DOWNLOAD, _DISK, _CANCELLED, _ACCESS. */
export async function fetchFiles(files: readonly HubFile[], job: Job): Promise<void> {
  const { repository, commit, tally } = job;
  const missing: HubFile[] = [];
  for (const file of files) if (!(await isThere(file, repository, commit))) missing.push(file);
  const bytes = missing.reduce((sum, file) => sum + file.bytes, 0);
  tally.total += bytes;
  if (missing.length > 0) {
    await mkdir(repository.folder, { recursive: true }).catch(() => {}); // makeOnce says what is wrong with it
    await requireSpace({ folder: repository.folder, variable: VARIABLE }, bytes - (await begun(missing, repository)));
  }
  for (const file of missing) {
    await fetchFile(file, job);
    await repository.link(file.etag, commit, file.path);
    tally.done += file.bytes;
  }
}

/** The variable that moves the shared cache. */
const VARIABLE = "HF_HUB_CACHE";

/** One of another size is a damaged one, which nothing else would find out: it goes. */
async function isThere({ path, bytes }: HubFile, repository: CachedRepository, commit: string): Promise<boolean> {
  const pointer = join(repository.snapshot(commit), path);
  const found = await stat(pointer).catch(() => undefined);
  if (found && found.size !== bytes) await rm(await realpath(pointer), { force: true });
  return found?.size === bytes;
}

/** Not the name that older versions of Python's huggingface_hub append to: two would write one file, each under its own lock. */
const partial = (repository: CachedRepository, { etag }: HubFile) => `${repository.blob(etag)}.tokenlense.incomplete`;

async function begun(files: readonly HubFile[], repository: CachedRepository): Promise<number> {
  const sizes = files.map(async (file) => (await stat(partial(repository, file)).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Makes the blob. */
async function fetchFile(file: HubFile, { repository, commit, requests, tally, options }: Job): Promise<void> {
  const { etag, bytes } = file;
  const blob = repository.blob(etag);
  const large = etag.length === 64;
  const write = (part: string) =>
    complete(part, {
      url: fileAddress(requests.address, repository.name, commit, file.path),
      digest: etag,
      hash: large ? (path) => sha256(path, options) : gitSha1,
      bytes,
      fetch: requests.stream,
      signal: options.signal,
      onProgress: (done) =>
        options.onProgress?.({ phase: "download", done: tally.done + done, total: tally.total, unit: "bytes" }),
    });
  try {
    await makeOnce({
      ...{ path: blob, bytes, write, variable: VARIABLE },
      ...{ partial: partial(repository, file), signal: options.signal, onProgress: options.onProgress },
    });
  } catch (cause) {
    if (!(cause instanceof TokenlenseError) || cause.code !== "ERR_TOKENLENSE_DOWNLOAD") throw cause;
    if (cause.cause instanceof Passing) throw gaveUp(cause.cause, requests.address);
    throw new TokenlenseError(cause.code, cause.message, {
      hint: "Try again: what has come is kept, and a file whose digest is wrong is discarded.",
      cause,
    });
  }
  // The one whole reading that the model's digest would take is done.
  if (large) await rememberSha256(blob, etag);
}

/** The digest by which git knows a file's content. */
async function gitSha1(path: string): Promise<string> {
  const content = await readFile(path);
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}
