import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { fitsJson, toDocument } from "./document.js";
import { fileStem, storeFile, storePair } from "./files.js";
import { readJson, toJsonText } from "./json.js";
import { fromNative } from "./native.js";
import { nonFinite, scoresFile } from "./scores.js";

/**
 * Stores an attribution as `<timestamp>_<model>_<prompt>.json` and gives the file's path. Where it has many scores, or
 * dimensions beyond [sequence, outputs], these lie in a safetensors file of the same name beside it, and the document has
 * its digest. Both appear whole or not at all, the document last, and never in place of another.
 * @param folder Made where there is none. Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_DISK, ERR_TOKENLENSE_NON_FINITE, ERR_TOKENLENSE_DISPOSED
 */
export async function save(result: Attribution, folder = "results"): Promise<string> {
  const wrong = nonFinite(result);
  if (wrong !== undefined)
    throw new TokenlenseError("ERR_TOKENLENSE_NON_FINITE", `The result has ${wrong}, so it is not stored.`);
  const stem = fileStem(result);
  if (fitsJson(result)) return storeFile(folder, stem, ".json", `${toJsonText(toDocument(result))}\n`);
  // All of it now: the result may be disposed of while it is written.
  const { tokenlense_native: ours, ...document } = toDocument(result, { beside: true });
  const dimensions = [...result.dimensions];
  return storePair(folder, stem, scoresFile(result), (beside) => {
    const additions = ours && { ...ours, scores: { ...beside, dimensions } };
    return `${toJsonText({ ...document, tokenlense_native: additions })}\n`;
  });
}

/**
 * Reads what `save` or TokenLense itself wrote, schema versions 1.0.0 to 1.1.0.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no such file, or the scores beside
 * it are not those that were stored with it.
 */
export async function load(file: string): Promise<Attribution> {
  return fromNative(await readJson(file), file);
}
