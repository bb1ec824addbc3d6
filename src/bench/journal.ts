import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { JournalFile } from "../dataset/journal-file.js";
import { changed } from "../dataset/manifest.js";
import { TokenlenseError } from "../errors.js";
import { cellKey, checkKey } from "./plan.js";
import {
  type Cell,
  type Check,
  type CheckedRow,
  isMeasured,
  type LoadedModel,
  type Report,
  type Row,
  randomisationSchema,
  reportSchema,
  rowSchema,
  type System,
  systemSchema,
} from "./schema.js";

export const JOURNAL = "journal.jsonl";

const startSchema = z.object({
  started: z.string(),
  options: z.record(z.string(), z.unknown()),
});
const entrySchema = z.union([
  z.object({ start: startSchema }),
  z.object({ model: reportSchema.shape.models.element }),
  z.object({ system: systemSchema }),
  z.object({ row: rowSchema }),
  z.object({ check: randomisationSchema }),
]);
type Entry = z.output<typeof entrySchema>;

/** What a run has measured so far, in its folder: a line for each row, on the disk before the next cell begins. */
export class BenchJournal {
  readonly #file: JournalFile<Entry>;
  readonly #rows: Map<string, Row>;
  readonly #checks: Map<string, CheckedRow>;
  readonly #models: Map<string, LoadedModel>;
  readonly #folder: string;
  /** ISO 8601. */
  readonly started: string;

  private constructor(file: JournalFile<Entry>, folder: string, started: string) {
    const { entries } = file;
    this.#file = file;
    this.#folder = folder;
    this.started = started;
    const rows = entries.flatMap((entry) => ("row" in entry ? [entry.row] : []));
    const checks = entries.flatMap((entry) => ("check" in entry ? [entry.check] : []));
    const models = entries.flatMap((entry) => ("model" in entry ? [entry.model] : []));
    this.#rows = new Map(rows.map((row) => [cellKey(row), row]));
    this.#checks = new Map(checks.map((check) => [checkKey(check), check]));
    this.#models = new Map(models.map((model) => [model.model, model]));
  }

  /**
   * Opens a folder's journal to go on, or begins one.
   * @param options what decides the rows.
   * @throws ERR_TOKENLENSE_INPUT where there is a run already and `resume` is false, or where it was another one; _FORMAT for
   * a damaged line.
   */
  static async open(folder: string, options: Report["options"], resume: boolean): Promise<BenchJournal> {
    const hint = "Start again in another folder (--output).";
    const file = await JournalFile.open(join(folder, JOURNAL), entrySchema, hint);
    try {
      const start = file.entries.flatMap((entry) => ("start" in entry ? [entry.start] : []))[0];
      if (start && !resume)
        throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${folder} holds a benchmark already.`, {
          hint: "Go on with it (--resume), or choose another folder (--output).",
        });
      const plain = JSON.parse(JSON.stringify(options)) as Report["options"]; // as it is read back
      if (start) requireSame(start.options, plain, folder);
      const journal = new BenchJournal(file, folder, start?.started ?? new Date().toISOString());
      if (!start) await file.append({ start: { started: journal.started, options: plain } });
      return journal;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Whether a cell was measured; one that failed is tried again, and one whose stored result is gone. */
  has(cell: Cell): boolean {
    const row = this.#rows.get(cellKey(cell));
    if (!row || !isMeasured(row)) return false;
    return row.result === undefined || this.resultOf(row) !== undefined;
  }

  /** Likewise of a check. */
  hasCheck(check: Check): boolean {
    return this.#checks.get(checkKey(check))?.status === "ok";
  }

  /** Path of a row's stored result, where there is one. */
  resultOf(row: Row): string | undefined {
    if (!isMeasured(row) || row.result === undefined) return undefined;
    const path = join(this.#folder, row.result);
    return existsSync(path) ? path : undefined;
  }

  get rows(): Row[] {
    return [...this.#rows.values()];
  }

  get checks(): CheckedRow[] {
    return [...this.#checks.values()];
  }

  get models(): LoadedModel[] {
    return [...this.#models.values()];
  }

  async addRow(row: Row): Promise<void> {
    await this.#file.append({ row });
    this.#rows.set(cellKey(row), row);
  }

  async addCheck(check: CheckedRow): Promise<void> {
    await this.#file.append({ check });
    this.#checks.set(checkKey(check), check);
  }

  /** The machine as it was when the run began: rows are shares of its limit. */
  get system(): System | undefined {
    return this.#file.entries.flatMap((entry) => ("system" in entry ? [entry.system] : []))[0];
  }

  addSystem(system: System): Promise<void> {
    return this.#file.append({ system });
  }

  async addModel(model: LoadedModel): Promise<void> {
    await this.#file.append({ model });
    this.#models.set(model.model, model);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function requireSame(was: Report["options"], is: Report["options"], folder: string): void {
  const names = changed(was, is);
  if (names.length === 0) return;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `The benchmark in ${folder} had another ${names.join(", ")}.`, {
    hint: "Give what it began with to go on, or start a new one in another folder (--output).",
  });
}
