import { extname } from "node:path";
import { TokenlenseError } from "../errors.js";

/** One entry of a dataset. */
export interface Row {
  /** The line of the file on which it begins; of a parquet file the row; from 1. */
  line: number;
  values: Readonly<Record<string, unknown>>;
}

export interface Column {
  name: string;
  /** It holds text: not numbers, truth values or what is made of parts. */
  text: boolean;
}

/** A dataset as rows of named values. Nothing is kept in memory but what is being read. */
export interface Table {
  readonly file: string;
  readonly format: DatasetFormat;
  /** All, in the file's order; of CSV and JSON Lines by their first hundred rows. */
  columns(): Promise<Column[]>;
  /** From the beginning, each time; of parquet only these columns are read. */
  rows(columns?: readonly string[]): AsyncGenerator<Row, void, undefined>;
}

export type TableReader = Pick<Table, "columns" | "rows">;

const readers = {
  csv: async (file: string) => sampled((await import("./csv.js")).csvRows, file),
  jsonl: async (file: string) => sampled((await import("./text.js")).jsonRows, file),
  txt: async (file: string) => sampled((await import("./text.js")).textRows, file),
  parquet: async (file: string) => (await import("./parquet.js")).parquetReader(file),
} satisfies Record<string, (file: string) => Promise<TableReader>>;

export type DatasetFormat = keyof typeof readers;

/**
 * Opens a dataset of the format that its name ends with: .csv, .jsonl or .ndjson, .txt (a prompt on each line), .parquet.
 * @throws ERR_TOKENLENSE_INPUT for another ending; then, as it is read, ERR_TOKENLENSE_FILE where it cannot be, and
 * ERR_TOKENLENSE_FORMAT with the line where it is no such file.
 */
export async function openTable(file: string): Promise<Table> {
  const ending = extname(file).slice(1).toLowerCase();
  const format = ending === "ndjson" ? "jsonl" : ending;
  if (!Object.hasOwn(readers, format))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${file} is of no kind that can be read as a dataset.`, {
      hint: "Readable are .csv, .jsonl, .txt (a prompt on each line) and .parquet.",
    });
  const known = format as DatasetFormat;
  return { file, format: known, ...(await readers[known](file)) };
}

const SAMPLE = 100;

/** Columns of a file that does not say what they hold, by its first rows. */
function sampled(read: (file: string) => AsyncGenerator<Row, void, undefined>, file: string): TableReader {
  return {
    rows: () => read(file),
    async columns() {
      const found = new Map<string, boolean>();
      let rows = 0;
      for await (const { values } of read(file)) {
        for (const [name, value] of Object.entries(values)) found.set(name, found.get(name) || isText(value));
        if (++rows === SAMPLE) break;
      }
      return Array.from(found, ([name, text]) => ({ name, text }));
    },
  };
}

/** As pandas reads a CSV file: a column is text where a value is neither number nor truth value. */
function isText(value: unknown): boolean {
  if (typeof value !== "string" || value.trim() === "") return false;
  return Number.isNaN(Number(value)) && !/^(true|false|nan)$/i.test(value.trim());
}
