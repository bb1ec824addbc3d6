import { createReadStream } from "node:fs";
import { TokenlenseError } from "../errors.js";

/** Longer ones are no text that was meant as such. */
const MOST_BYTES = 2 ** 26;

export interface Line {
  /** From 1. */
  number: number;
  /** Without its "\n". */
  text: string;
}

/**
 * A text file's lines, read as they are asked for. A byte order mark is not part of the first.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read; ERR_TOKENLENSE_FORMAT, with the line, where it is not UTF-8.
 */
export async function* readLines(file: string): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let number = 0;
  for await (const bytes of lineBytes(file)) {
    number++;
    const text = decoded(decoder, bytes, file, number);
    yield { number, text: number === 1 && text.startsWith("\uFEFF") ? text.slice(1) : text };
  }
}

async function* lineBytes(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  let parts: Uint8Array[] = []; // of the line that no chunk has ended yet
  let length = 0;
  let number = 1;
  for await (const chunk of chunks(file)) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      length = 0;
      number++;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MOST_BYTES) throw fault(file, number, "is longer than 64 MiB.", "Is this a text file?");
  }
  if (length > 0) yield Buffer.concat(parts);
}

async function* chunks(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* createReadStream(file, { highWaterMark: 2 ** 18 });
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

function decoded(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array, file: string, number: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    const [first, second] = bytes;
    const wide = number === 1 && ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff));
    throw fault(file, number, wide ? "is UTF-16." : "is not UTF-8.", "Store the file as UTF-8, with or without a BOM.");
  }
}

/** What is wrong with one line of a dataset. */
export function fault(file: string, line: number, what: string, hint?: string, cause?: unknown): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file}:${line} ${what}`, { hint, cause });
}
