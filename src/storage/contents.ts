import { constants } from "node:buffer";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { TokenlenseError } from "../errors.js";

/**
 * The JSON in a file, of JavaScript or Python, compressed by gzip or not.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no JSON.
 */
export async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  });
  return parseJson(bytes, file);
}

/**
 * The JSON in what a file holds.
 * @param most Bytes that it may have once decompressed. Default: what a string can hold.
 * @throws ERR_TOKENLENSE_FORMAT
 */
export async function parseJson(bytes: Uint8Array, file: string, most = constants.MAX_STRING_LENGTH): Promise<unknown> {
  const plain = await decompressed(bytes, file, most);
  try {
    // Strictly: a damaged character should not become part of a text as U+FFFD.
    return parsePython(new TextDecoder("utf-8", { fatal: true }).decode(plain));
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not JSON, or was cut short.`, { hint: HINT, cause });
  }
}

const HINT = "Results are stored whole or not at all: this file was changed, copied in part, or is none.";

async function decompressed(bytes: Uint8Array, file: string, most: number): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: most });
  } catch (cause) {
    const message = `${file} cannot be decompressed: ${(cause as Error).message}`;
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", message, { hint: HINT, cause });
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
