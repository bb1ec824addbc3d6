import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { JOURNAL } from "../../bench/journal.js";
import { machineLine } from "../../bench/machine.js";
import { isMeasured, REPORT_FILE, type Report, readReport } from "../../bench/schema.js";
import { TokenlenseError } from "../../errors.js";
import { notFound } from "../errors.js";
import type { runList, runSummary } from "./schemas.js";

type RunSummary = z.output<typeof runSummary>;
type RunList = z.output<typeof runList>;

interface Seen {
  /** Of the report when it was read. */
  stamp: string;
  run?: RunSummary;
  error?: TokenlenseError;
}

/**
 * Runs of `tokenlense bench` in the results folder, where it puts them: each a folder with a report. Links are not followed.
 * A report is read when it is new or has changed.
 */
export class RunFolder {
  readonly #folder: string;
  readonly #seen = new Map<string, Seen>();

  /** @param folder Its whole path. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<RunList> {
    const list: RunList = { runs: [], unfinished: [], damaged: [] };
    for (const id of await this.#folders()) {
      const [report, journal] = await Promise.all([this.#stampOf(id, REPORT_FILE), this.#stampOf(id, JOURNAL)]);
      if (report === undefined) {
        if (journal !== undefined) list.unfinished.push(id);
        continue;
      }
      const { run, error } = await this.#read(id, report);
      if (run) list.runs.push(run);
      // A report without a journal that is none of ours is another program's.
      else if (error && journal !== undefined) list.damaged.push({ id, code: error.code, message: error.message });
    }
    list.runs.sort((a, b) => Date.parse(b.started) - Date.parse(a.started));
    return list;
  }

  /**
   * The report of this run; names are looked up, and never joined to a path.
   * @throws ERR_TOKENLENSE_NOT_FOUND, _FORMAT
   */
  async find(id: string): Promise<Report> {
    const known = (await this.#folders()).includes(id) && (await this.#stampOf(id, REPORT_FILE)) !== undefined;
    if (!known) throw notFound(`There is no run ${JSON.stringify(id)}.`, "GET /performance/runs lists them.");
    return this.#report(id);
  }

  async #folders(): Promise<string[]> {
    const entries = await readdir(this.#folder, { withFileTypes: true }).catch(() => []);
    return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map(({ name }) => name);
  }

  async #stampOf(id: string, file: string): Promise<string | undefined> {
    const found = await lstat(join(this.#folder, id, file)).catch(() => undefined);
    return found?.isFile() ? `${found.mtimeMs} ${found.size} ${found.ino}` : undefined;
  }

  async #read(id: string, stamp: string): Promise<Seen> {
    const known = this.#seen.get(id);
    if (known?.stamp === stamp) return known;
    const seen = await this.#report(id).then(
      (report): Seen => ({ stamp, run: summarise(id, report) }),
      (thrown: unknown): Seen => ({ stamp, error: TokenlenseError.from(thrown) }),
    );
    this.#seen.set(id, seen);
    return seen;
  }

  async #report(id: string): Promise<Report> {
    try {
      return await readReport(join(this.#folder, id, REPORT_FILE));
    } catch (thrown) {
      const { code, message, hint } = TokenlenseError.from(thrown);
      throw new TokenlenseError(code, message.replaceAll(join(this.#folder, "/"), ""), { hint });
    }
  }
}

function summarise(id: string, report: Report): RunSummary {
  const { kind, started, ended, cells, rows, system } = report;
  const measured = rows.filter(isMeasured).length;
  const names = (of: "model" | "method") => [...new Set(rows.map((row) => row[of]))];
  return {
    ...{ id, kind, started, ended, cells, measured, failed: rows.length - measured },
    ...{ machine: machineLine(system), models: names("model"), methods: names("method") },
  };
}
