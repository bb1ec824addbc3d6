import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { replaceFile } from "../storage/files.js";

const MANIFEST = "manifest.json";

const manifestSchema = z.object({
  version: z.literal(1),
  /** Of this package ("tokenlense-native"), libtorch and Node. */
  versions: z.record(z.string(), z.string()),
  model: z.object({ name: z.string(), sha256: z.string(), dtype: z.string(), device: z.string() }),
  dataset: z.object({
    file: z.string(),
    format: z.string(),
    sha256: z.string(),
    columns: z.record(z.string(), z.string()),
  }),
  /** What decides the results, by the command line's names; what is absent was left to its default. */
  options: z.record(z.string(), z.unknown()),
  /** ISO 8601. */
  started: z.string(),
  /** null until every prompt is through. */
  ended: z.string().nullable(),
  counts: z.object({ prompts: z.int(), stored: z.int(), failed: z.int() }),
});

/** What a run was: which prompts, which model, which options. */
export type Manifest = z.output<typeof manifestSchema>;

/** @throws ERR_TOKENLENSE_FORMAT where it is damaged. undefined where the folder has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const file = join(folder, MANIFEST);
  let content: string;
  try {
    content = await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${message}`, { cause });
  }
  try {
    return manifestSchema.parse(JSON.parse(content));
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no manifest of a run, or is damaged.`, {
      hint: "Start again in another folder.",
      cause,
    });
  }
}

/** Appears whole or not at all, in place of what was there. Only for who holds the folder's lock. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await replaceFile(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * Before a run goes on: it must be the same run.
 * @throws ERR_TOKENLENSE_INPUT naming what has changed.
 */
export function requireSame(
  before: Manifest,
  now: Partial<Pick<Manifest, "dataset" | "options" | "model">>,
  folder: string,
): void {
  const changes: string[] = [];
  if (now.dataset && now.dataset.sha256 !== before.dataset.sha256) changes.push("the dataset");
  if (now.model && now.model.sha256 !== before.model.sha256) changes.push("the model");
  const compare = (was: Record<string, unknown>, is: Record<string, unknown>) => {
    for (const name of changed(was, is)) changes.push(`${name}, ${shown(was[name])} then and ${shown(is[name])} now`);
  };
  if (now.dataset) compare(before.dataset.columns, now.dataset.columns);
  if (now.options) compare(before.options, now.options);
  if (changes.length === 0) return;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `The run in ${folder} was another one: ${changes.join("; ")}.`, {
    hint: "Give the same dataset, model and options to resume it, or start a new one in another folder (--output).",
  });
}

/** The names under which two sets of options differ. */
export function changed(was: Readonly<Record<string, unknown>>, is: Readonly<Record<string, unknown>>): string[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.filter((name) => !isDeepStrictEqual(was[name], is[name]));
}

const shown = (value: unknown): string => (value === undefined ? "default" : JSON.stringify(value));
