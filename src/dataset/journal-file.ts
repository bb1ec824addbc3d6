import { type FileHandle, open } from "node:fs/promises";
import type { z } from "zod";
import { TokenlenseError } from "../errors.js";

/** A file with a line of JSON for each step of a run, on the disk before the next is taken. */
export class JournalFile<Entry> {
  readonly #handle: FileHandle;
  /** What was in it when it was opened. */
  readonly entries: readonly Entry[];

  private constructor(handle: FileHandle, entries: readonly Entry[]) {
    this.#handle = handle;
    this.entries = entries;
  }

  /**
   * Opens a journal, or begins one. A line that a killed run left half written goes.
   * @param hint what to do about a damaged one.
   * @throws ERR_TOKENLENSE_FORMAT naming a damaged line.
   */
  static async open<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    hint: string,
  ): Promise<JournalFile<z.output<Schema>>> {
    const handle = await open(path, "a+");
    try {
      const bytes = await handle.readFile();
      const whole = bytes.lastIndexOf(10) + 1;
      if (whole < bytes.length) await handle.truncate(whole);
      const lines = bytes.subarray(0, whole).toString("utf8").split("\n").slice(0, -1);
      const entries = lines.map((line, i) => {
        try {
          return schema.parse(JSON.parse(line));
        } catch (cause) {
          throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path}:${i + 1} is damaged.`, { hint, cause });
        }
      });
      return new JournalFile(handle, entries);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async append(entry: Entry): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(entry)}\n`);
    await this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
