import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { hubCache } from "./hub-settings.js";

const PREFIX = "models--";

/** A model's repository in the cache that is shared with Python, in its layout: blobs, refs, snapshots of links to blobs. */
export class CachedRepository {
  readonly name: string;
  readonly folder: string;

  private constructor(name: string, folder: string) {
    this.name = name;
    this.folder = folder;
  }

  /** Nothing needs to be there yet. */
  static async of(name: string): Promise<CachedRepository> {
    const { getRepoFolderName } = await import("@huggingface/hub");
    return new CachedRepository(name, join(await hubCache(), getRepoFolderName({ type: "model", name })));
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  blob(etag: string): string {
    return join(this.folder, "blobs", etag);
  }

  /** The commits of which there are files. */
  async commits(): Promise<string[]> {
    return (await readdir(join(this.folder, "snapshots")).catch(() => [])).filter(isCommit);
  }

  /** The commit that a branch or tag was at when it was last asked for. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const commit = await readFile(join(this.folder, "refs", revision), "utf8").catch(() => "");
    return isCommit(commit.trim()) ? commit.trim() : undefined;
  }

  async remember(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = join(this.folder, "refs", revision);
    const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, commit);
    await rename(temporary, path);
  }

  /** Whether a snapshot is known to have this file, or to have none of the name: Python's own mark for that. */
  knows(commit: string, file: string): boolean {
    return existsSync(join(this.snapshot(commit), file)) || existsSync(join(this.folder, ".no_exist", commit, file));
  }

  async markAbsent(commit: string, file: string): Promise<void> {
    const path = join(this.folder, ".no_exist", commit, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "");
  }

  /** Gives a blob its name in a snapshot, by a relative link. Where links cannot be had, by moving it: no second copy. */
  async link(etag: string, commit: string, file: string): Promise<void> {
    const blob = this.blob(etag);
    const path = join(this.snapshot(commit), file);
    await mkdir(dirname(path), { recursive: true });
    await rm(path, { force: true });
    try {
      await symlink(relative(dirname(path), blob), path);
    } catch (cause) {
      const { code = "" } = cause as NodeJS.ErrnoException;
      // Another process was faster.
      if (code === "EEXIST" && existsSync(path)) return;
      if (!["EPERM", "ENOSYS", "ENOTSUP", "UNKNOWN"].includes(code)) throw cause;
      await rename(blob, path);
    }
  }
}

/** Names of the repositories of models in the cache that is shared with Python, "owner/name". */
export async function cachedRepositories(): Promise<string[]> {
  const cache = await hubCache();
  const folders = (await readdir(cache).catch(() => [])).filter((name) => name.startsWith(PREFIX));
  const names: string[] = [];
  for (const folder of folders) {
    const found = await stat(join(cache, folder, "snapshots")).catch(() => undefined);
    if (found?.isDirectory()) names.push(folder.slice(PREFIX.length).replace("--", "/"));
  }
  return names;
}

export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);
