import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readJson } from "./contents.js";
import { sideFile } from "./schema.js";

/** Milliseconds after which a temporary file is no longer being written. */
const STALE = 60 * 60 * 1000;

/** What a document says is beside it: all that is read of one which may be damaged or of any format. */
const naming = z.object({ tokenlense_native: z.object({ scores: sideFile.pick({ file: true }) }) });

/** The name of the scores' file that a document gives; undefined where it has none. */
export function besideOf(document: unknown): string | undefined {
  return naming.safeParse(document).data?.tokenlense_native.scores.file;
}

/**
 * Removes what processes that were killed while they stored a result left in a folder: temporary files, and scores that were
 * published when their document was not. Nothing younger than an hour: it may still be written.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, id, suffix] = /^\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(.*)\.tmp$/.exec(name) ?? [];
    if (id === undefined) continue;
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined); // another process may tidy up too
    if (!found || Date.now() - found.mtimeMs < STALE) continue;
    // One name: this document was not published, or has been removed since.
    if (suffix === ".json" && found.nlink === 1) await removeOrphan(directory, path, id);
    await rm(path, { force: true }).catch(() => {});
  }
}

/** The scores are this document's where the temporary file that they were written as still names the same file. */
async function removeOrphan(directory: string, document: string, id: string): Promise<void> {
  const name = besideOf(await readJson(document).catch(() => undefined));
  if (name === undefined) return;
  const [published, temporary] = await Promise.all(
    [name, `.${id}.safetensors.tmp`].map((file) => stat(join(directory, file)).catch(() => undefined)),
  );
  if (published && temporary && published.ino === temporary.ino && published.dev === temporary.dev)
    await rm(join(directory, name), { force: true }).catch(() => {});
}
