import { stat } from "node:fs/promises";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { readJson } from "./contents.js";
import { inseqSequences } from "./inseq-read.js";
import { isInseq } from "./inseq-schema.js";
import { type InseqOptions, saveInseq } from "./inseq-write.js";
import { fromNative } from "./native.js";
import { saveNative } from "./native-write.js";

export type SaveOptions =
  /** TokenLense's native schema: `<timestamp>_<model>_<prompt>.json`. The default. */
  | { format?: "native" | undefined }
  /** What `inseq.FeatureAttributionOutput.load` reads: `…_inseq.json`, compressed `…_inseq.json.gz`. */
  | ({ format: "inseq" } & InseqOptions);

/**
 * Stores an attribution as `<timestamp>_<model>_<prompt>.json` and gives the file's path. Where it has many scores, or
 * dimensions beyond [sequence, outputs], these lie in a safetensors file of the same name beside it, and the document has
 * its digest. Both appear whole or not at all, the document last, and never in place of another.
 * @param folder Made where there is none. Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_DISK, _NON_FINITE, _DISPOSED; _INPUT where Inseq's format or the Analyzer's layout cannot take it.
 */
export async function save(result: Attribution, folder = "results", options: SaveOptions = {}): Promise<string> {
  if (options.format === "inseq") return saveInseq(result, folder, options);
  return saveNative(result, folder);
}

/**
 * Reads what `save` or TokenLense itself wrote, schema versions 1.0.0 to 1.1.0, and what Inseq 0.6 and 0.7 save, compressed
 * or not: see {@link inseqSequences}.
 * @param options.sequence Which one of a file that holds several, as Inseq's may; {@link loadAll} gives them all. Default: 0,
 * the first.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read, ERR_TOKENLENSE_FORMAT where it is no such file or the scores
 * beside it are not those that were stored with it, _NON_FINITE where a score
 * is NaN or infinite, _INPUT where there is no such sequence.
 */
export async function load(file: string, { sequence = 0 }: { sequence?: number } = {}): Promise<Attribution> {
  const { sequences } = await openResults(file);
  const chosen = sequences[sequence];
  if (chosen) return chosen();
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${file} has no sequence ${sequence}.`, {
    hint: `It holds ${sequences.length}, counted from 0.`,
  });
}

/** {@link load} of every sequence in a file. One of the native schema holds one. */
export async function loadAll(file: string): Promise<Attribution[]> {
  return Promise.all((await openResults(file)).sequences.map((sequence) => sequence()));
}

/** What a file holds; each sequence is read when it is asked for. */
export async function openResults(
  file: string,
): Promise<{ format: "native" | "inseq"; sequences: readonly (() => Attribution | Promise<Attribution>)[] }> {
  const json = await readJson(file);
  if (!isInseq(json)) return { format: "native", sequences: [() => fromNative(json, file)] };
  return { format: "inseq", sequences: inseqSequences(json, file, (await stat(file)).mtime) };
}
