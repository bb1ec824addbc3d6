import type { Attribution } from "../result.js";
import { readJson } from "./json.js";
import { fromNative } from "./native.js";
import { saveNative } from "./native-write.js";

/**
 * Stores an attribution as `<timestamp>_<model>_<prompt>.json` and gives the file's path. Where it has many scores, or
 * dimensions beyond [sequence, outputs], these lie in a safetensors file of the same name beside it, and the document has
 * its digest. Both appear whole or not at all, the document last, and never in place of another.
 * @param folder Made where there is none. Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_DISK, ERR_TOKENLENSE_NON_FINITE, ERR_TOKENLENSE_DISPOSED
 */
export async function save(result: Attribution, folder = "results"): Promise<string> {
  return saveNative(result, folder);
}

/**
 * Reads what `save` or TokenLense itself wrote, schema versions 1.0.0 to 1.1.0.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no such file, or the scores beside
 * it are not those that were stored with it.
 */
export async function load(file: string): Promise<Attribution> {
  return fromNative(await readJson(file), file);
}
