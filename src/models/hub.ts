import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { formatBytes } from "../install/progress.js";
import { nearest } from "../nearest.js";
import { CONFIG, EXTRAS, folderFiles, INDEX, TOKENIZER, WEIGHTS, weightNames } from "./folder.js";
import { CachedRepository, isCommit } from "./hub-cache.js";
import { fetchFiles, type HubFile, type Tally } from "./hub-files.js";
import { type HubRequests, hubRequests } from "./hub-request.js";
import { offline } from "./hub-settings.js";
import { describe, type HubOptions, type HubSource, isGguf, isPlainPath } from "./hub-source.js";

/**
 * A model of the Hugging Face hub in the cache that is shared with Python, downloaded as far as it is not there. A branch is
 * asked for anew each time, and taken from the cache where the hub cannot be reached; a full commit hash that is in the cache
 * needs no network.
 * @returns path of a folder with safetensors, or of a GGUF file.
 * @throws ERR_TOKENLENSE_MODEL (no such repository or revision), _ACCESS (gated, private), _FILE (not among its files),
 * _INPUT (several GGUF files to choose from), _DOWNLOAD, _DISK, _CANCELLED.
 */
export async function obtainFromHub(source: HubSource, options: HubOptions = {}): Promise<string> {
  const { repo, revision } = source;
  const repository = await CachedRepository.of(repo);
  const cached = await findCached(source, repository);
  if (cached?.whole && isCommit(revision)) return cached.path;
  if (offline() || options.download === false) {
    if (cached) return cached.path;
    throw notCached(source, repository, options.download !== false);
  }
  const requests = await hubRequests(repo, options.signal);
  let commit: string;
  let files: Map<string, HubFile>;
  try {
    commit = isCommit(revision) ? revision : await resolve(source, requests);
    files = await list(repo, commit, requests);
  } catch (error) {
    if (cached && error instanceof TokenlenseError && error.code === "ERR_TOKENLENSE_DOWNLOAD") return cached.path;
    throw error;
  }
  const snapshot = repository.snapshot(commit);
  const job = { repository, commit, requests, tally: { done: 0, total: 0 } satisfies Tally, options };
  const file = chooseGguf(source, files);
  if (file) await fetchFiles([file], job);
  else {
    const named = (names: readonly string[]) =>
      names.map((name) => files.get(name)).filter((found) => found !== undefined);
    await fetchFiles(named([CONFIG, TOKENIZER, INDEX, ...EXTRAS]), job);
    const weights = await weightNames(snapshot);
    const missing = weights.find((name) => !files.has(name));
    if (missing !== undefined) throw missingFile(source, missing, []);
    await fetchFiles(named(weights), job);
    for (const name of [INDEX, ...EXTRAS]) if (!files.has(name)) await repository.markAbsent(commit, name);
  }
  await repository.remember(revision, commit);
  return file ? join(snapshot, file.path) : snapshot;
}

/** `whole`: nothing can be missing; else a file that a model may have or not may not have been asked for. */
async function findCached(
  { revision, file }: HubSource,
  repository: CachedRepository,
): Promise<{ path: string; whole: boolean } | undefined> {
  const commit = await repository.commitOf(revision);
  if (commit === undefined) return undefined;
  const snapshot = repository.snapshot(commit);
  if (file !== undefined) {
    const path = join(snapshot, file);
    return isPlainPath(file) && existsSync(path) ? { path, whole: true } : undefined;
  }
  try {
    await folderFiles(snapshot);
    return { path: snapshot, whole: [INDEX, ...EXTRAS].every((name) => repository.knows(commit, name)) };
  } catch {
    const names = await readdir(snapshot, { recursive: true }).catch(() => []);
    const [only, ...others] = names.filter(isGguf);
    return only !== undefined && others.length === 0 ? { path: join(snapshot, only), whole: false } : undefined;
  }
}

async function resolve({ repo, revision }: HubSource, { address, ask }: HubRequests): Promise<string> {
  const { modelInfo } = await import("@huggingface/hub");
  const { sha } = await modelInfo({ name: repo, revision, additionalFields: ["sha"], hubUrl: address, fetch: ask });
  if (isCommit(sha)) return sha;
  throw new TokenlenseError("ERR_TOKENLENSE_DOWNLOAD", `${address} names no commit for ${repo}@${revision}.`);
}

async function list(repo: string, revision: string, { address, ask }: HubRequests): Promise<Map<string, HubFile>> {
  const { listFiles } = await import("@huggingface/hub");
  const files = new Map<string, HubFile>();
  for await (const entry of listFiles({ repo, revision, recursive: true, hubUrl: address, fetch: ask })) {
    const { type, path, size, oid, lfs } = entry;
    // Python's huggingface_hub names blobs by the same.
    const etag = lfs?.oid ?? oid ?? "";
    if (type === "file" && isPlainPath(path) && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag))
      files.set(path, { path, bytes: size, etag });
  }
  return files;
}

/** The GGUF file to take; undefined where the repository is a folder of safetensors. */
function chooseGguf(source: HubSource, files: Map<string, HubFile>): HubFile | undefined {
  const ggufs = [...files.keys()].filter(isGguf);
  if (source.file !== undefined) {
    const file = files.get(source.file);
    if (!file) throw missingFile(source, source.file, ggufs);
    return unsplit(source, file);
  }
  const needed = [CONFIG, TOKENIZER, files.has(INDEX) ? INDEX : WEIGHTS];
  const missing = needed.find((name) => !files.has(name));
  if (missing === undefined) return undefined;
  const [only, ...others] = ggufs;
  const single = others.length === 0 && only !== undefined ? files.get(only) : undefined;
  if (single) return unsplit(source, single);
  if (only === undefined) throw missingFile(source, missing, [...files.keys()]);
  const listed = ggufs.map((name) => `${describe(source)}:${name} (${formatBytes(files.get(name)?.bytes ?? 0)})`);
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${source.repo} holds ${ggufs.length} GGUF files: name one.`, {
    hint: `There are ${listed.join(", ")}.`,
  });
}

/** Known by the names that llama.cpp gives, so that nothing is downloaded in vain. */
function unsplit(source: HubSource, file: HubFile): HubFile {
  if (!/-\d{5}-of-\d{5}\.gguf$/i.test(file.path)) return file;
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file.path} of ${describe(source)} is a part of a split file.`, {
    hint: "Take one that is whole, or merge the parts with llama.cpp's `llama-gguf-split --merge` and give the merged file.",
  });
}

function missingFile(source: HubSource, name: string, names: string[]): TokenlenseError {
  const near = nearest(name, names).filter(isGguf);
  const ggufs = names.filter(isGguf);
  const hint =
    near.length > 0
      ? `Did you mean ${near.join(" or ")}?`
      : ggufs.length > 0
        ? `Its GGUF files: ${ggufs.join(", ")}.`
        : names.some((other) => /\.(bin|pth?)$/.test(other))
          ? "Its weights are in PyTorch's own format: take a repository with safetensors, or a revision of it (@refs/pr/…) that has them."
          : `Needed are ${CONFIG}, ${TOKENIZER} and safetensors files, or a GGUF file.`;
  return new TokenlenseError("ERR_TOKENLENSE_FILE", `${describe(source)} has no ${name} on the hub.`, { hint });
}

function notCached(source: HubSource, { folder }: CachedRepository, forced: boolean): TokenlenseError {
  const name = `${describe(source)}${source.file === undefined ? "" : `:${source.file}`}`;
  return new TokenlenseError("ERR_TOKENLENSE_FILE", `${name} is not, or not wholly, in ${folder}.`, {
    hint: forced
      ? "HF_HUB_OFFLINE is set: unset it to download the model."
      : `Download it with \`tokenlense models pull ${name}\`.`,
  });
}
