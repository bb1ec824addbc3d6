import { createHash } from "node:crypto";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import type { DatasetPrompt } from "./dataset.js";
import { JournalFile } from "./journal-file.js";

const JOURNAL = "journal.jsonl";

const place = { index: z.int().nonnegative(), line: z.int().positive(), digest: z.string() };
const entrySchema = z.union([
  /** About to be stored, in files whose names begin so. */
  z.strictObject({ ...place, storing: z.string() }),
  /** Stored. */
  z.strictObject({ ...place, file: z.string() }),
  z.strictObject({
    ...place,
    error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
  }),
]);

type Entry = z.output<typeof entrySchema>;
export type PromptFailure = Extract<Entry, { error: unknown }>["error"];

/** What a run has done so far, in its folder: a line for each step, on the disk before the next is taken. */
export class Journal {
  readonly #file: JournalFile<Entry>;
  /** What became of each prompt, by its index. */
  readonly #entries: Map<number, Entry>;

  private constructor(file: JournalFile<Entry>, entries: Map<number, Entry>) {
    this.#file = file;
    this.#entries = entries;
  }

  /**
   * Opens a folder's journal, or begins one, and puts right what a killed run left: a line that was cut short goes, and so
   * does what was stored of a prompt that the journal does not have as stored. Only for who holds the folder's lock.
   * @throws ERR_TOKENLENSE_FORMAT naming a damaged line.
   */
  static async open(folder: string): Promise<Journal> {
    const file = await JournalFile.open(
      join(folder, JOURNAL),
      entrySchema,
      "Start again in another folder; the results that are in this one stay good.",
    );
    try {
      const names = await tidy(folder, file.entries);
      // A result that was taken away is not stored any more.
      const valid = file.entries.filter((entry) => !("file" in entry) || names.has(entry.file));
      return new Journal(file, new Map(valid.map((entry) => [entry.index, entry])));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Nothing was run yet. */
  get empty(): boolean {
    return this.#entries.size === 0;
  }

  /**
   * Whether a prompt's result is stored.
   * @throws ERR_TOKENLENSE_INPUT where another prompt had its place.
   */
  has(prompt: DatasetPrompt): boolean {
    const entry = this.#entries.get(prompt.index);
    if (entry && entry.digest !== promptDigest(prompt))
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        `The dataset's prompt ${prompt.index} is not the one that was run.`,
      );
    return entry !== undefined && "file" in entry;
  }

  /** Whether a prompt was tried, and failed. */
  hasFailed({ index }: DatasetPrompt): boolean {
    const entry = this.#entries.get(index);
    return entry !== undefined && "error" in entry;
  }

  storing(prompt: DatasetPrompt, stem: string): Promise<void> {
    return this.#append({ ...placeOf(prompt), storing: stem });
  }

  stored(prompt: DatasetPrompt, file: string): Promise<void> {
    return this.#append({ ...placeOf(prompt), file });
  }

  failed(prompt: DatasetPrompt, error: PromptFailure): Promise<void> {
    return this.#append({ ...placeOf(prompt), error });
  }

  /** How many of the first `prompts` are stored, and what failed, in their order. */
  summary(prompts: number): { stored: number; failures: { index: number; line: number; error: PromptFailure }[] } {
    const entries = [...this.#entries.values()].filter(({ index }) => index < prompts);
    return {
      stored: entries.filter((entry) => "file" in entry).length,
      failures: entries
        .flatMap((entry) => ("error" in entry ? [{ index: entry.index, line: entry.line, error: entry.error }] : []))
        .sort((a, b) => a.index - b.index),
    };
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #append(entry: Entry): Promise<void> {
    await this.#file.append(entry);
    this.#entries.set(entry.index, entry);
  }
}

/** Removes what a killed run left, temporary files and those of the prompt that it was storing; gives the other files' names. */
async function tidy(folder: string, entries: readonly Entry[]): Promise<Set<string>> {
  const last = entries.at(-1);
  const names = await readdir(folder);
  const stems = new Set(entries.flatMap((entry) => ("file" in entry ? [withoutEnding(entry.file)] : [])));
  const isLeftover = (name: string) => {
    if (/^\.[0-9a-f-]{36}(\.\w+)?\.tmp$/.test(name)) return true;
    if (!last || !("storing" in last) || !name.startsWith(last.storing)) return false;
    // `save` puts a number after the stem where its name is taken, and a result may have more files than one.
    const [stem] = /^(-\d+)?(?=\.)/.exec(name.slice(last.storing.length)) ?? [];
    return stem !== undefined && !stems.has(last.storing + stem);
  };
  const leftovers = new Set(names.filter(isLeftover));
  await Promise.all(Array.from(leftovers, (name) => unlink(join(folder, name))));
  return new Set(names.filter((name) => !leftovers.has(name)));
}

const withoutEnding = (name: string): string => name.replace(/\.json$/, "");

const placeOf = (prompt: DatasetPrompt) => ({
  index: prompt.index,
  line: prompt.line,
  digest: promptDigest(prompt),
});

function promptDigest({ index: _, line: __, ...texts }: DatasetPrompt): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}
