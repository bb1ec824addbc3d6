import { pipeline, Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { fault, readLines } from "./lines.js";
import type { Row } from "./table.js";

/** What the parser makes of a record with the option `raw`. */
interface Parsed {
  record: string[];
  raw: string;
}

/** CSV as RFC 4180 has it, with a header; quoted values may hold line ends. Empty lines are passed over. */
export async function* csvRows(file: string): AsyncGenerator<Row, void, undefined> {
  let before = 0; // lines of the records so far; counted in the parser, which may be ahead of its reader
  const begin = (raw = "") => before + 1 + emptyLines(raw);
  const parser = parse({
    raw: true,
    skip_empty_lines: true,
    max_record_size: 2 ** 26, // an open quote would take in the whole file
    record_delimiter: ["\r\n", "\n"],
    on_record: (parsed: unknown) => {
      const { record, raw } = parsed as Parsed; // as its types do not say
      const line = String(begin(raw));
      before += count(raw);
      return [line, ...record];
    },
  });
  pipeline(Readable.from(withLineEnds(file)), parser, () => {}); // errors come out of the parser
  let header: string[] | undefined;
  try {
    for await (const [line, ...values] of parser as AsyncIterable<string[]>) {
      if (header) yield { line: Number(line), values: Object.fromEntries(header.map((name, i) => [name, values[i]])) };
      else header = checkedHeader(values, file, Number(line));
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const what = cause.message.replaceAll(/,? (on|at) line \d+/g, "");
    const hint = "Values with commas, quotes or line ends need quotes, and quotes in them are doubled.";
    throw fault(file, begin(cause.raw as string | undefined), `begins what is not CSV: ${what}.`, hint, cause);
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
