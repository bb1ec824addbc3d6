import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../../errors.js";
import { reason, replaceFile } from "../../storage/files.js";
import { type JobRecord, jobRecord } from "./job.js";

/** Jobs on disk, a file each, in a folder of their own that holds nothing else. */
export class JobStore {
  readonly #folder: string;
  /** The last write of each job: a job's own follow one another. */
  readonly #writes = new Map<string, Promise<void>>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * What is recorded, in the order in which it came; files that cannot be read are named and left alone.
   * @throws ERR_TOKENLENSE_DISK
   */
  static async open(folder: string): Promise<{ store: JobStore; records: JobRecord[]; damaged: string[] }> {
    const store = new JobStore(folder);
    const names = await storing(folder, async () => {
      await mkdir(folder, { recursive: true });
      return readdir(folder);
    });
    const records: JobRecord[] = [];
    const damaged: string[] = [];
    for (const name of names) {
      const file = join(folder, name);
      if (name.endsWith(".tmp")) await rm(file, { force: true });
      if (!name.endsWith(".json")) continue;
      const record = await read(file);
      if (record) records.push(record);
      else damaged.push(file);
    }
    return { store, records: records.sort((a, b) => a.created.localeCompare(b.created)), damaged };
  }

  /**
   * It appears whole or not at all, in place of what was there.
   * @throws ERR_TOKENLENSE_DISK
   */
  write(record: JobRecord): Promise<void> {
    return this.#next(record.id, async () => {
      await replaceFile(this.#file(record.id), JSON.stringify(record));
    });
  }

  remove(id: string): Promise<void> {
    return this.#next(id, () => rm(this.#file(id), { force: true }));
  }

  #file(id: string): string {
    return join(this.#folder, `${id}.json`);
  }

  async #next(id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writes.get(id) ?? Promise.resolve();
    const own = before.catch(() => {}).then(() => storing(this.#folder, work));
    this.#writes.set(id, own);
    try {
      await own;
    } finally {
      if (this.#writes.get(id) === own) this.#writes.delete(id);
    }
  }
}

async function read(file: string): Promise<JobRecord | undefined> {
  try {
    return jobRecord.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

async function storing<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", `Jobs cannot be recorded in ${folder}: ${reason(cause)}`, {
      hint: "Make room, or serve another folder.",
      cause,
    });
  }
}
