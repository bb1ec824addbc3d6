import { readFile } from "node:fs/promises";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { fileStem, reason, storeFile } from "./files.js";
import { fromNative } from "./native.js";

/**
 * Stores an attribution as `<timestamp>_<model>_<prompt>.json` and gives the file's path. It appears whole or not at
 * all, and never in place of another.
 * @param folder Made where there is none. Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_DISK
 */
export async function save(result: Attribution, folder = "results"): Promise<string> {
  return storeFile(folder, fileStem(result), ".json", `${JSON.stringify(result)}\n`);
}

/**
 * Reads what `save` or TokenLense itself wrote, schema versions 1.0.0 to 1.1.0.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no such file.
 */
export async function load(file: string): Promise<Attribution> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${reason(cause)}`, { cause });
  });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not JSON, or was cut short.`, { cause });
  }
  return fromNative(json, file);
}
