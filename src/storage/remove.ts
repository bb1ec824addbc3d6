import { existsSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { readJson } from "./contents.js";
import { isResultName, reason } from "./files.js";
import { isInseq } from "./inseq-schema.js";
import { besideOf } from "./leftovers.js";
import { isNative } from "./native.js";

/**
 * Removes a stored result, and the scores that lie beside it unless another document has their name. One that is damaged is
 * removed where its name is that of a result.
 * @param options.dryRun Only find out what would be removed. Default false.
 * @returns the paths of what was removed, the document's first.
 * @throws ERR_TOKENLENSE_FILE where there is no such file, ERR_TOKENLENSE_INPUT where it is no result, ERR_TOKENLENSE_DISK.
 */
export async function removeResult(file: string, options: { dryRun?: boolean | undefined } = {}): Promise<string[]> {
  const path = resolve(file);
  const beside = await scoresOf(path);
  const paths = beside !== undefined && existsSync(beside) ? [path, beside] : [path];
  if (options.dryRun) return paths;
  for (const each of paths) {
    await unlink(each).catch((cause: unknown) => {
      throw new TokenlenseError("ERR_TOKENLENSE_DISK", `${each} could not be removed: ${reason(cause)}`, { cause });
    });
  }
  return paths;
}

/** Where a result's own scores would lie. */
async function scoresOf(path: string): Promise<string | undefined> {
  const stem = basename(path, ".json");
  const json = await readJson(path).catch((error: TokenlenseError) => {
    if (error.code === "ERR_TOKENLENSE_FILE") throw error;
  });
  if (!isNative(json) && !isInseq(json) && !isResultName(basename(path))) {
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${path} is no stored result, so it is left alone.`, {
      hint: "A damaged one that was renamed has to be removed by hand.",
    });
  }
  const name = json === undefined ? `${stem}.safetensors` : besideOf(json);
  if (name === undefined) return undefined;
  // Of a document that was renamed. What no `save` can have called so is not removed with it: it may be a model's weights.
  const called = `${basename(name, ".safetensors")}.json`;
  const own = called === basename(path) || (isResultName(called) && !existsSync(join(dirname(path), called)));
  return own ? join(dirname(path), name) : undefined;
}
