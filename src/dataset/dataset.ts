import { TokenlenseError } from "../errors.js";
import { unknownName } from "../nearest.js";
import { fault } from "./lines.js";
import { type Column, type DatasetFormat, openTable, type Row } from "./table.js";

export type { DatasetFormat } from "./table.js";

/** Which columns of a dataset hold what. */
export interface ColumnOptions {
  /**
   * The prompt's. Default: `full_prompt`; or `user_request`, with `system_instruction` as the system message; or the first
   * column of text.
   */
  column?: string | undefined;
  /** The system message's: prompts are then a user's messages in the model's chat format. */
  systemColumn?: string | undefined;
  /** The text's to attribute, in place of generating it. */
  targetColumn?: string | undefined;
  /** The text's with another continuation. */
  contrastColumn?: string | undefined;
}

/** The columns that were chosen. */
export interface Columns {
  prompt: string;
  system?: string;
  target?: string;
  contrast?: string;
}

export interface DatasetPrompt {
  /** From 0. */
  index: number;
  /** Where in the file it begins: its line, of parquet its row, from 1. */
  line: number;
  /** Empty where the column is. So are the others, each only where the dataset has its column. */
  prompt: string;
  system?: string;
  target?: string;
  contrast?: string;
}

export interface Dataset {
  readonly file: string;
  readonly format: DatasetFormat;
  readonly columns: Columns;
  /** From the beginning, each time, and as they are asked for. */
  prompts(): AsyncGenerator<DatasetPrompt, void, undefined>;
}

/**
 * Opens a file of prompts: .csv, .jsonl or .ndjson, .txt (one on each line), .parquet. It is read as prompts are asked for.
 * @throws ERR_TOKENLENSE_INPUT for a column that it does not have (the hint names the nearest) or another kind of file;
 * ERR_TOKENLENSE_FILE, and ERR_TOKENLENSE_FORMAT with the line, here and while it is read.
 */
export async function openDataset(file: string, options: ColumnOptions = {}): Promise<Dataset> {
  const table = await openTable(file);
  const columns = chooseColumns(file, await table.columns(), options);
  const names = Object.entries(columns) as [keyof Columns, string][];
  return {
    file,
    format: table.format,
    columns,
    async *prompts() {
      let index = 0;
      for await (const row of table.rows(Object.values(columns))) {
        const texts = names.map(([role, name]) => [role, textOf(row, name, file)]);
        yield { index: index++, line: row.line, ...(Object.fromEntries(texts) as Record<"prompt", string>) };
      }
    },
  };
}

function chooseColumns(file: string, columns: readonly Column[], options: ColumnOptions): Columns {
  if (columns.length === 0) throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} holds no prompts.`);
  const names = columns.map(({ name }) => name);
  const { column, systemColumn: system, targetColumn: target, contrastColumn: contrast } = options;
  const given = [column, system, target, contrast].filter((name) => name !== undefined);
  const unknown = given.find((name) => !names.includes(name));
  if (unknown !== undefined) throw unknownName(`column of ${file}`, unknown, names);
  const others = { ...(target !== undefined && { target }), ...(contrast !== undefined && { contrast }) };
  const known = column ?? (names.includes("full_prompt") ? "full_prompt" : undefined);
  if (known !== undefined) return { prompt: known, ...(system !== undefined && { system }), ...others };
  if (names.includes("system_instruction") && names.includes("user_request"))
    return { prompt: "user_request", system: system ?? "system_instruction", ...others };
  const first = columns.find(({ name, text }) => text && !given.includes(name));
  if (first) return { prompt: first.name, ...(system !== undefined && { system }), ...others };
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${file} has no column of text.`, {
    hint: `Name the prompts' column (--column, or the option column): ${names.join(", ")}.`,
  });
}

function textOf({ line, values }: Row, column: string, file: string): string {
  const value = Object.hasOwn(values, column) ? values[column] : undefined;
  if (value === undefined || value === null) return "";
  if (typeof value !== "object") return String(value);
  throw fault(file, line, `holds no text in column "${column}".`, "Prompts are texts; name another column.");
}
