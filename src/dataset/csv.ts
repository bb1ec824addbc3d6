import { pipeline, Readable } from "node:stream";
import { type CsvError, parse } from "csv-parse";
import { TokenlenseError } from "../errors.js";
import { fault, readLines } from "./lines.js";
import type { Row } from "./table.js";

/** CSV as RFC 4180 has it, with a header; quoted values may hold line ends. Empty lines are passed over. */
export async function* csvRows(file: string): AsyncGenerator<Row, void, undefined> {
  const parser = parse({ raw: true, skip_empty_lines: true, record_delimiter: ["\r\n", "\n"] });
  pipeline(Readable.from(withLineEnds(file)), parser, () => {}); // errors come out of the parser
  let before = 0; // lines that are read
  let header: string[] | undefined;
  try {
    for await (const { record, raw } of parser as AsyncIterable<{ record: string[]; raw: string }>) {
      const line = before + 1 + emptyLines(raw);
      before += count(raw);
      if (header) yield { line, values: Object.fromEntries(header.map((name, i) => [name, record[i]])) };
      else header = checkedHeader(record, file, line);
    }
  } catch (cause) {
    if (cause instanceof TokenlenseError) throw cause;
    const { message, raw } = cause as CsvError & { raw?: string };
    const what = message.replaceAll(/,? (on|at) line \d+/g, "");
    const hint = "Values with commas, quotes or line ends need quotes, and quotes in them are doubled.";
    throw fault(file, before + 1 + emptyLines(raw ?? ""), `begins what is not CSV: ${what}.`, hint, cause);
  } finally {
    parser.destroy();
  }
}

async function* withLineEnds(file: string): AsyncGenerator<string, void, undefined> {
  for await (const { text } of readLines(file)) yield `${text}\n`;
}

// csv-parse's own count takes a line end in quotes for two, or for none. Of "\r\n" after a record, `raw` has the "\r" only.
const count = (raw: string): number => raw.match(/\r\n?|\n/g)?.length ?? 0;
const emptyLines = (raw: string): number => count(/^[\r\n]*/.exec(raw)?.[0] ?? "");

function checkedHeader(names: string[], file: string, line: number): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw fault(file, line, `names two columns "${twice}".`, "Give each column its own name.");
  return names;
}
