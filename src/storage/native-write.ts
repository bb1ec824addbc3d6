import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { fitsJson, toDocument } from "./document.js";
import { fileStem, storeFile, storePair } from "./files.js";
import { toJsonText } from "./json.js";
import { nonFinite, scoresFile } from "./scores.js";

/** Stores an attribution in the native schema, with its scores beside the document where JSON should not hold them. */
export async function saveNative(result: Attribution, folder: string): Promise<string> {
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
