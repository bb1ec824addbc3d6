import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";
import { throwIfCancelled } from "../task.js";
import { readJson } from "./contents.js";
import { isResultName, mayBeResult, reason } from "./files.js";
import { isInseq } from "./inseq-schema.js";
import { isNative, parseNative } from "./native.js";
import { load } from "./results.js";
import { type NativeDocument, timeOf } from "./schema.js";
import { locateScores } from "./scores.js";

/** Which results are wanted: those that meet all that is given. */
export interface ResultQuery {
  /** A part of the model's name, in any case. */
  model?: string | undefined;
  /** The attribution method. */
  method?: string | undefined;
  /** Made then or later. */
  since?: Date | undefined;
  /** Made then or before. */
  until?: Date | undefined;
  /** A part of the prompt, in any case. */
  text?: string | undefined;
}

export interface ListOptions extends ResultQuery {
  /** Ends the work between two files, with ERR_TOKENLENSE_CANCELLED. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { phase: "list"; done: number; total: number }) => void) | undefined;
}

/** What is known of a stored result without its scores. */
export interface StoredResult
  extends Pick<Attribution, "modelName" | "method" | "step" | "prompt" | "promptLength" | "outputs" | "timestamp"> {
  /** Its path. */
  file: string;
}

export interface ResultList {
  /** The newest first. */
  results: StoredResult[];
  /** Results that cannot be read, whatever was asked for, and why. */
  damaged: { file: string; error: TokenlenseError }[];
}

/**
 * The results in a folder, without those in folders within it. Files are read one at a time, to the end, so damage is found,
 * and no scores are kept; of those beside a document only the size is checked. JSON files that are no results are passed over.
 * @param folder Default: `results` in the working directory.
 * @throws ERR_TOKENLENSE_FILE where the folder cannot be read, ERR_TOKENLENSE_CANCELLED.
 */
export async function listResults(folder = "results", options: ListOptions = {}): Promise<ResultList> {
  const { signal, onProgress } = options;
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read the folder ${folder}: ${reason(cause)}`, { cause });
  });
  const files = names.filter(mayBeResult);
  const list: ResultList = { results: [], damaged: [] };
  for (const [done, name] of files.sort().entries()) {
    throwIfCancelled(signal);
    onProgress?.({ phase: "list", done, total: files.length });
    const file = join(resolve(folder), name);
    try {
      const found = await describe(file);
      if (found && meets(found, options)) list.results.push(found);
    } catch (error) {
      list.damaged.push({ file, error: TokenlenseError.from(error) });
    }
  }
  list.results.sort((a, b) => b.timestamp.getTime() - a.timestamp.getTime());
  return list;
}

export function meets(
  { modelName, method, timestamp, prompt }: Omit<StoredResult, "file">,
  query: ResultQuery,
): boolean {
  // Upper case, as a Greek word's last sigma has a lower case of its own.
  const has = (text: string, part = "") => text.toUpperCase().includes(part.toUpperCase());
  return (
    has(modelName, query.model) &&
    has(prompt, query.text) &&
    (query.method ?? method) === method &&
    (query.since ?? timestamp) <= timestamp &&
    (query.until ?? timestamp) >= timestamp
  );
}

/** Undefined for JSON that is no result, nor called as one: what other programs keep in the folder. */
async function describe(file: string): Promise<StoredResult | undefined> {
  const json = await readJson(file);
  if (isInseq(json)) return ofAttribution(file);
  if (!isResultName(basename(file)) && !isNative(json)) return undefined;
  const document = parseNative(json, file);
  const side = document.tokenlense_native?.scores;
  if (side) await locateScores(side, file);
  return ofDocument(document, file);
}

function ofDocument({ metadata, data, tokenlense_native: ours }: NativeDocument, file: string): StoredResult {
  return {
    file,
    modelName: metadata.llm_id,
    method: metadata.attribution_method ?? "unknown",
    step: ours?.step,
    prompt: metadata.prompt,
    promptLength: data.input_tokens.length,
    outputs: data.output_tokens.length,
    timestamp: timeOf(metadata.timestamp),
  };
}

async function ofAttribution(file: string): Promise<StoredResult> {
  using result = await load(file);
  const { modelName, method, step, prompt, promptLength, outputs, timestamp } = result;
  return { file, modelName, method, step, prompt, promptLength, outputs, timestamp };
}
