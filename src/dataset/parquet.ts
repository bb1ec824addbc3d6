import { access } from "node:fs/promises";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { TokenlenseError } from "../errors.js";
import type { Row, TableReader } from "./table.js";

// hyparquet's own takes a byte order mark at the beginning of a value away.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const parsers = { stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decoder.decode(bytes) };

/** Parquet, one row group in memory at a time. */
export async function parquetReader(path: string): Promise<TableReader> {
  await access(path).catch((cause: Error) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${path}: ${cause.message}`, { cause });
  });
  const file = await asyncBufferFromFile(path);
  const metadata = await readable(path, () => parquetMetadataAsync(file));
  return {
    columns: async () =>
      parquetSchema(metadata).children.map(({ element, children }) => ({
        name: element.name,
        text: children.length === 0 && element.type === "BYTE_ARRAY" && isUtf8(element),
      })),
    async *rows(columns) {
      let rowStart = 0;
      for (const { num_rows } of metadata.row_groups) {
        const rowEnd = rowStart + Number(num_rows);
        const read = {
          file,
          metadata,
          compressors,
          parsers,
          rowStart,
          rowEnd,
          ...(columns && { columns: [...columns] }),
        };
        const rows = await readable(path, () => parquetReadObjects(read));
        for (const [i, values] of rows.entries()) yield { line: rowStart + i + 1, values } satisfies Row;
        rowStart = rowEnd;
      }
    },
  };
}

type Element = ReturnType<typeof parquetSchema>["element"];

function isUtf8({ converted_type, logical_type }: Element): boolean {
  return converted_type === "UTF8" || logical_type?.type === "STRING";
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FORMAT",
      `${path} cannot be read as parquet: ${(cause as Error).message}`,
      {
        hint: "It is damaged, cut short, or no parquet file.",
        cause,
      },
    );
  }
}
