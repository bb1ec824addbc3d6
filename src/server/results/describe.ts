import { basename } from "node:path";
import { z } from "zod";
import type { Attribution } from "../../result.js";
import { readJson } from "../../storage/contents.js";
import { modelPart, nameOf } from "../../storage/files.js";
import { inseqSequences } from "../../storage/inseq-read.js";
import { isInseq } from "../../storage/inseq-schema.js";
import type { StoredResult } from "../../storage/list.js";
import { fromNative } from "../../storage/native.js";
import type { AnalyzerPlace } from "./catalogue.js";

/** What the server knows of a stored result without reading it again. */
export interface Entry extends Omit<StoredResult, "file"> {
  /** Its path in the folder, as URLs write it. */
  id: string;
  /** Its whole path. */
  path: string;
  name: string;
  format: "native" | "inseq";
  /** How many sequences the file holds; what is described is the first. */
  sequences: number;
  /** Of the Analyzer's paths. */
  analyzer: AnalyzerPlace;
  /** The whole text. */
  target: string;
  /** Of the attribution; undefined where the file does not say it. */
  seconds: number | undefined;
}

/**
 * Reads a result to the end, so damage is found, and keeps no scores.
 * @throws as `load`.
 */
export async function describe(
  path: string,
  { id, place, modified }: { id: string; place: AnalyzerPlace | undefined; modified: Date },
): Promise<Entry> {
  const json = await readJson(path);
  const inseq = isInseq(json);
  const sequences = inseq ? inseqSequences(json, path, modified) : [() => fromNative(json, path)];
  using result = (await sequences[0]?.()) as Attribution; // both have one at least
  const { modelName, method, step, prompt, promptLength, outputs, timestamp, target } = result;
  return {
    ...{ id, path, name: basename(path), format: inseq ? "inseq" : "native", sequences: sequences.length },
    ...{ modelName, method, step, prompt, promptLength, outputs, timestamp, target },
    analyzer: place ?? { model: modelPart(modelName), method: nameOf(method, 60) || "unknown" },
    seconds: result.timings.attribute ?? (inseq ? executionTime(json) : undefined),
  };
}

const info = z.object({ info: z.object({ exec_time: z.number().nonnegative() }) });
const withTime = z.union([info, z.object({ attributes: info }).transform(({ attributes }) => attributes)]);

/** What Inseq itself wrote down. */
const executionTime = (json: unknown): number | undefined => withTime.safeParse(json).data?.info.exec_time;
