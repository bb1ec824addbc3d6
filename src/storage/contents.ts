import { constants } from "node:buffer";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { TokenlenseError } from "../errors.js";
import { reason } from "./files.js";

/**
 * The JSON in a file, of JavaScript or Python, compressed by gzip or not.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no JSON.
 */
export async function readJson(file: string): Promise<unknown> {
  const text = await contents(file);
  try {
    return parsePython(text);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not JSON, or was cut short.`, { hint: HINT, cause });
  }
}

const HINT = "Results are stored whole or not at all: this file was changed, copied in part, or is none.";

async function contents(file: string): Promise<string> {
  const unreadable = (cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${reason(cause)}`, { cause });
  };
  const bytes = await readFile(file).catch(unreadable);
  const compressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  try {
    return (
      compressed ? await promisify(gunzip)(bytes, { maxOutputLength: constants.MAX_STRING_LENGTH }) : bytes
    ).toString();
  } catch (cause) {
    if (!compressed) return unreadable(cause);
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} cannot be decompressed: ${reason(cause)}`, {
      hint: HINT,
      cause,
    });
  }
}

/** Python writes NaN and infinities as JSON does not have them. They become strings of the same name. */
export function parsePython(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const quoted = text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity\b|\bNaN\b/g, (part) =>
      part.startsWith('"') ? part : `"${part}"`,
    );
    if (quoted === text) throw error;
    return JSON.parse(quoted);
  }
}
