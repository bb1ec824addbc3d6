import { basename } from "node:path";
import { TokenlenseError } from "../../errors.js";
import type { Attribution } from "../../result.js";
import { parseJson } from "../../storage/contents.js";
import { inseqSequences } from "../../storage/inseq-read.js";
import { isInseq } from "../../storage/inseq-schema.js";
import { fromNative, parseNative } from "../../storage/native.js";
import { save } from "../../storage/results.js";

/**
 * Stores each sequence of a file of this package's or of Inseq's, and gives the paths. All are read before the first is stored.
 * @param bytes What the file holds, compressed by gzip or not.
 * @param options.name The file's, for errors.
 * @param options.most Bytes that it may have once decompressed.
 * @throws ERR_TOKENLENSE_FORMAT, _NON_FINITE, _DISK
 */
export async function importResults(
  bytes: Uint8Array,
  folder: string,
  options: { name: string; most: number },
): Promise<string[]> {
  const name = basename(options.name);
  const json = await parseJson(bytes, name, options.most);
  const files: string[] = [];
  const results: Attribution[] = [];
  try {
    for (const read of sequencesIn(json, name)) results.push(await read());
    for (const result of results) files.push(await save(result, folder));
  } finally {
    for (const result of results) result.dispose();
  }
  return files;
}

function sequencesIn(json: unknown, name: string): readonly (() => Attribution | Promise<Attribution>)[] {
  if (isInseq(json)) return inseqSequences(json, name, new Date());
  const beside = parseNative(json, name).tokenlense_native?.scores;
  if (beside === undefined) return [() => fromNative(json, name)];
  throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `The scores of ${name} lie in another file, ${beside.file}.`, {
    hint: "Copy both into the folder of results, or import it in Inseq's format: tokenlense convert makes that.",
  });
}
