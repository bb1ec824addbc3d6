import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { TokenlenseError } from "../../errors.js";
import { isResultName, mayBeResult, reason } from "../../storage/files.js";
import { notFound } from "../errors.js";
import { idOf } from "../jobs/work.js";
import { describe, type Entry } from "./describe.js";

interface Seen {
  /** Of the file when it was read. */
  stamp: string;
  entry?: Entry;
  error?: TokenlenseError;
}

export interface Listing {
  /** The newest first. */
  readonly entries: readonly Entry[];
  readonly damaged: readonly { id: string; error: TokenlenseError }[];
}

/**
 * The results in a folder: its own, those of the folders in it (as `attribute-dataset` makes them), and those in the
 * Analyzer's layout, `<model>/method_<method>/data/`, there or in its folder `data`. A file is read when it is new or has
 * changed. Links are not followed, so nothing outside the folder is found.
 */
export class Catalogue {
  readonly folder: string;
  readonly #seen = new Map<string, Seen>();
  #scan: Promise<Listing> | undefined;
  #last: { listing: Listing; until: number } | undefined;

  /** @param folder Its whole path. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Looks at the folder again at the next call of {@link list}. */
  changed(): void {
    this.#last = undefined;
  }

  /** Looking takes a tenth of the time at most: of a folder with very many files a listing may be some seconds old. */
  async list(): Promise<Listing> {
    if (this.#last && performance.now() < this.#last.until) return this.#last.listing;
    this.#scan ??= this.#look().finally(() => {
      this.#scan = undefined;
    });
    return this.#scan;
  }

  /**
   * The result of this id; ids are looked up, and never joined to a path.
   * @throws ERR_TOKENLENSE_NOT_FOUND, and what is wrong with a damaged one.
   */
  async find(id: string): Promise<Entry> {
    const found = await this.#known(id);
    if ("error" in found) throw found.error;
    return found;
  }

  /**
   * Its path, also of one that is damaged.
   * @throws ERR_TOKENLENSE_NOT_FOUND
   */
  async locate(id: string): Promise<string> {
    const found = await this.#known(id);
    return "error" in found ? join(this.folder, ...id.split("/")) : found.path;
  }

  async #known(id: string): Promise<Entry | Listing["damaged"][number]> {
    const { entries, damaged } = await this.list();
    const found = [...entries, ...damaged].find((candidate) => candidate.id === id);
    if (found) return found;
    throw notFound(`There is no result ${JSON.stringify(id)}.`, "GET /results lists them.");
  }

  async #look(): Promise<Listing> {
    const begin = performance.now();
    const present = new Set<string>();
    for (const file of await resultFiles(this.folder)) {
      present.add(file.path);
      await this.#read(file);
    }
    for (const path of this.#seen.keys()) if (!present.has(path)) this.#seen.delete(path);
    const seen = [...this.#seen.entries()];
    const entries = seen.flatMap(([, { entry }]) => entry ?? []);
    const damaged = seen.flatMap(([path, { error }]) => (error ? { id: idOf(this.folder, path), error } : []));
    const listing = { entries: entries.sort((a, b) => b.timestamp.getTime() - a.timestamp.getTime()), damaged };
    const now = performance.now();
    this.#last = { listing, until: now + 9 * (now - begin) };
    return listing;
  }

  async #read({ path, place }: Found): Promise<void> {
    const found = await stat(path).catch(() => undefined);
    if (!found) return void this.#seen.delete(path);
    const stamp = `${found.mtimeMs} ${found.size} ${found.ino}`;
    if (this.#seen.get(path)?.stamp === stamp) return;
    try {
      const entry = await describe(path, { id: idOf(this.folder, path), place, modified: found.mtime });
      this.#seen.set(path, { stamp, entry });
    } catch (thrown) {
      const error = TokenlenseError.from(thrown);
      // JSON that is no result, nor called as one, is another program's.
      const ours = isResultName(basename(path)) || error.code !== "ERR_TOKENLENSE_FORMAT";
      const told = new TokenlenseError(error.code, error.message.replaceAll(`${this.folder}/`, ""), {
        hint: error.hint,
      });
      this.#seen.set(path, { stamp, ...(ours && { error: told }) });
    }
  }
}

/** The Analyzer's folders that a file lies in. */
export interface AnalyzerPlace {
  model: string;
  method: string;
}

interface Found {
  path: string;
  place?: AnalyzerPlace | undefined;
}

async function resultFiles(folder: string): Promise<Found[]> {
  const files: Found[] = [];
  const take = async (directory: string, place?: AnalyzerPlace) => {
    for (const entry of await contents(directory))
      if (entry.isFile() && mayBeResult(entry.name)) files.push({ path: join(directory, entry.name), place });
  };
  await take(folder);
  for (const directory of await foldersIn(folder)) await take(join(folder, directory));
  for (const root of [folder, join(folder, "data")])
    for (const model of await foldersIn(root))
      for (const method of (await foldersIn(join(root, model))).filter((name) => name.startsWith("method_")))
        await take(join(root, model, method, "data"), { model, method: method.slice("method_".length) });
  return files;
}

async function foldersIn(directory: string): Promise<string[]> {
  return (await contents(directory)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** What is there, but for what is hidden. */
async function contents(directory: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter(({ name }) => !name.startsWith("."));
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return [];
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", `A folder cannot be read: ${reason(cause)}`, { cause });
  }
}
