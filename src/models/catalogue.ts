import { existsSync } from "node:fs";
import { lstat, readdir, readFile, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { nearest } from "../nearest.js";
import { readArchive } from "./archive.js";
import { fileName } from "./build.js";
import { modelCache, refuseWhileMade, removeEntry } from "./cache.js";
import type { MetadataValue } from "./checkpoint.js";
import { familyOf } from "./families/index.js";
import { CONFIG } from "./folder.js";
import { readGguf } from "./gguf.js";
import { CachedRepository, cachedRepositories } from "./hub-cache.js";
import { isGguf, parseHubSource } from "./hub-source.js";
import { textSettings } from "./text-part.js";

/** A model on this machine: a file of this package's cache, or a repository in the hub's cache, which Python shares. */
export interface CachedModel {
  /** As `loadModel` takes it, unless it was a path. */
  name: string;
  /** "archive": built; "source": downloaded; "hub": a repository. */
  kind: "archive" | "source" | "hub";
  /** null: the file is damaged, or of an older package. */
  family: string | null;
  path: string;
  bytes: number;
  /** ISO 8601: when this package last loaded it, else when it came. */
  lastUsed: string;
}

/** All that is cached, the last used first; of the hub's cache the repositories that a family of this package covers. */
export async function cachedModels(): Promise<CachedModel[]> {
  const models = [...(await ownFiles()), ...(await coveredRepositories())];
  for (const model of models) {
    // What an archive was built from is used with it.
    const uses = models.filter((other) => other.kind === "archive" && isOf(other, model.name));
    for (const { lastUsed } of uses) if (lastUsed > model.lastUsed) model.lastUsed = lastUsed;
  }
  return models.sort((a, b) => b.lastUsed.localeCompare(a.lastUsed) || a.name.localeCompare(b.name));
}

/** Whether a model is called so, or is a file of the repository that is. */
const isOf = (model: CachedModel, name: string) => model.name === name || model.name.startsWith(`${name}:`);

export interface RemoveOptions {
  /** Remove the repository in the hub's cache as well, all its revisions, which Python then has no longer either. */
  hub?: boolean;
  /** Only find out what would be removed. */
  dryRun?: boolean;
}

/**
 * Removes a model from this package's cache: what {@link cachedModels} calls so, or has at this path. A process that has it
 * loaded or open keeps it.
 * @returns what was removed.
 * @throws ERR_TOKENLENSE_MODEL where nothing is called so, ERR_TOKENLENSE_INPUT for a part of a repository,
 * ERR_TOKENLENSE_DISK where a process is just downloading or building it, or the file system refuses.
 */
export async function removeModel(name: string, { hub, dryRun }: RemoveOptions = {}): Promise<CachedModel[]> {
  const files = await ownFiles();
  const own = files.filter((model) => isOf(model, name) || model.path === resolve(name));
  const repository = await namedRepository(name, hub === true);
  const removed = [...own, ...(hub && repository ? [repository] : [])];
  if (removed.length === 0) throw nothing(name, repository, files);
  for (const { path, kind } of removed) {
    // By name and source digest: while an archive is built its source is read.
    if (kind !== "hub") await refuseWhileMade(modelCache(), basename(path).replace(/(-[0-9a-f]{8})?\.(pt|gguf)$/, ""));
    else {
      await refuseWhileMade(join(path, "blobs"));
      for (const next of ["-", "_"]) await refuseWhileMade(modelCache(), `${fileName(name)}${next}`);
    }
  }
  if (dryRun) return removed;
  for (const { path, kind } of removed) {
    if (kind === "hub") await rm(path, { recursive: true, force: true });
    else await removeEntry(path);
  }
  return removed;
}

function nothing(name: string, repository: CachedModel | undefined, files: CachedModel[]): TokenlenseError {
  if (repository) {
    return new TokenlenseError("ERR_TOKENLENSE_MODEL", `This package's cache has nothing of ${name}.`, {
      hint: `With --hub its repository in ${repository.path} is removed, which Python programs may use too.`,
    });
  }
  const near = nearest(name, [...new Set(files.map((model) => model.name))]);
  return new TokenlenseError("ERR_TOKENLENSE_MODEL", `No cached model is called "${name}".`, {
    hint: near.length > 0 ? `Did you mean ${near.join(" or ")}?` : "`tokenlense models list` shows what there is.",
  });
}

async function ownFiles(): Promise<CachedModel[]> {
  const names = await readdir(modelCache()).catch(() => []);
  const models: CachedModel[] = [];
  for (const file of names) {
    // See modelCache and archivePath for how files are named.
    const [, archive, source] =
      /^(.+)-[0-9a-f]{12}(?:-b?float16)?-[0-9a-f]{8}\.pt$|^(.+)-[0-9a-f]{12}\.gguf$/.exec(file) ?? [];
    const stemmed = archive ?? source;
    if (stemmed === undefined) continue;
    const path = join(modelCache(), file);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) continue;
    const contract = archive ? (await readArchive(path).catch(() => undefined))?.contract : undefined;
    models.push({
      name: contract?.source.name ?? stemmed,
      kind: archive ? "archive" : "source",
      family: archive ? (contract?.family ?? null) : await ggufFamily(path),
      path,
      bytes: found.size,
      lastUsed: found.mtime.toISOString(),
    });
  }
  return models;
}

async function coveredRepositories(): Promise<CachedModel[]> {
  const models: CachedModel[] = [];
  for (const name of await cachedRepositories()) {
    const repository = await CachedRepository.of(name);
    const family = await repositoryFamily(repository);
    if (family !== null) models.push(await describeRepository(repository, family));
  }
  return models;
}

/** The repository of a name that is one, whatever is in it. */
async function namedRepository(name: string, wanted: boolean): Promise<CachedModel | undefined> {
  const source = parseHubSource(name);
  if (!source) return undefined;
  const repository = await CachedRepository.of(source.repo);
  if (!existsSync(repository.folder)) return undefined;
  if (source.repo === name) return describeRepository(repository, await repositoryFamily(repository));
  if (!wanted) return undefined;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `--hub removes whole repositories, and ${name} is a part of one.`, {
    hint: `Give ${source.repo}, or leave out --hub to remove only what was built of it.`,
  });
}

async function describeRepository({ name, folder }: CachedRepository, family: string | null): Promise<CachedModel> {
  let bytes = 0;
  let came = 0;
  for (const file of await readdir(folder, { recursive: true })) {
    const found = await lstat(join(folder, file)).catch(() => undefined);
    if (!found?.isFile()) continue; // links to blobs, and to those that Python shares between repositories
    bytes += found.size;
    came = Math.max(came, found.mtimeMs);
  }
  return { name, kind: "hub", family, path: folder, bytes, lastUsed: new Date(came).toISOString() };
}

async function repositoryFamily(repository: CachedRepository): Promise<string | null> {
  for (const commit of await repository.commits()) {
    const snapshot = repository.snapshot(commit);
    const family = await folderFamily(snapshot);
    if (family !== null) return family;
    for (const name of (await readdir(snapshot, { recursive: true })).filter(isGguf)) {
      const found = await ggufFamily(join(snapshot, name));
      if (found !== null) return found;
    }
  }
  return null;
}

async function folderFamily(folder: string): Promise<string | null> {
  try {
    const config = JSON.parse(await readFile(join(folder, CONFIG), "utf8")) as Record<string, MetadataValue>;
    const settings = new Map(Object.entries(textSettings(config).settings));
    return familyOf({ format: "folder", path: folder, settings, tensors: new Map() }).name;
  } catch {
    return null; // no model, or of another family
  }
}

async function ggufFamily(path: string): Promise<string | null> {
  try {
    return familyOf(await readGguf(path)).name;
  } catch {
    return null;
  }
}
