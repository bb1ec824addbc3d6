import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import { sha256 } from "../models/digest.js";
import type { Attribution } from "../result.js";
import { removeLeftovers } from "./leftovers.js";

/** Writes what is to be stored under a temporary name, and gives the file's path. */
type Draft = (suffix: string, data: string | readonly Uint8Array[] | Uint8Array) => Promise<string>;

/**
 * Stores `data` as `<stem><suffix>` in a folder, which is made where there is none, and gives the file's path. It appears
 * whole or not at all, and never in place of another: where the name is taken a number follows the stem.
 * @throws ERR_TOKENLENSE_DISK
 */
export async function storeFile(
  folder: string,
  stem: string,
  suffix: string,
  data: string | Uint8Array,
): Promise<string> {
  return storing(folder, async (directory, draft) => {
    const temporary = await draft(suffix, data);
    for (let copy = 1; ; copy++) {
      const file = join(directory, `${numbered(stem, copy)}${suffix}`);
      if (await publish(temporary, file)) return file;
    }
  });
}

/**
 * Stores a document `<stem>.json` and the file beside it that it names, `<stem>.safetensors`, as {@link storeFile} does. The
 * document appears last, so it never lacks the other.
 * @param data Of the file beside.
 * @param document Makes the document's text.
 * @returns the document's path.
 * @throws ERR_TOKENLENSE_DISK
 */
export async function storePair(
  folder: string,
  stem: string,
  data: readonly Uint8Array[],
  document: (beside: { file: string; bytes: number; sha256: string }) => string,
): Promise<string> {
  return storing(folder, async (directory, draft) => {
    const scores = await draft(".safetensors", data);
    const sizes = { bytes: (await stat(scores)).size, sha256: await sha256(scores) };
    for (let copy = 1; ; copy++) {
      const name = numbered(stem, copy);
      const [file, beside] = [join(directory, `${name}.json`), join(directory, `${name}.safetensors`)];
      if (existsSync(file) || existsSync(beside)) continue;
      // Whole before the other appears: `removeLeftovers` finds out from it what a process that was killed left.
      const text = await draft(".json", document({ file: `${name}.safetensors`, ...sizes }));
      if (!(await publish(scores, beside))) continue;
      let published = false;
      try {
        await syncFolder(directory);
        published = await publish(text, file);
      } finally {
        if (!published) {
          await rename(beside, scores); // of two names of one file it does nothing
          await rm(beside, { force: true });
        }
      }
      if (published) return file;
    }
  });
}

/** Folders that this process has tidied up. */
const tidied = new Set<string>();

async function storing(folder: string, store: (directory: string, draft: Draft) => Promise<string>): Promise<string> {
  const directory = resolve(folder);
  const id = randomUUID();
  const drafts = new Set<string>();
  try {
    await mkdir(directory, { recursive: true });
    if (!tidied.has(directory)) {
      tidied.add(directory);
      await removeLeftovers(directory).catch(() => {}); // where it may write but not look
    }
    return await store(directory, async (suffix, data) => {
      const temporary = join(directory, `.${id}${suffix}.tmp`);
      drafts.add(temporary);
      const file = await open(temporary, "w");
      try {
        await writeFile(file, data);
        await file.sync();
      } finally {
        await file.close();
      }
      return temporary;
    });
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_DISK",
      `The result could not be stored in ${directory}: ${reason(cause)}`,
      {
        hint: "Make room or choose another folder (--output, or save()'s second argument).",
        cause,
      },
    );
  } finally {
    for (const temporary of drafts) await rm(temporary, { force: true }).catch(() => {});
  }
}

const numbered = (stem: string, copy: number) => (copy === 1 ? stem : `${stem}-${copy}`);

/**
 * Gives a temporary file its name, or false where the name is taken. A hard link fails then, which a rename does not.
 * Without hard links (FAT) the name is reserved first.
 */
async function publish(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file).catch(async (error: NodeJS.ErrnoException) => {
      if (!["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"].includes(error.code ?? "")) throw error;
      await (await open(file, "wx")).close();
      await rename(temporary, file);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** Writes a file that appears whole or not at all, in place of what was there. Only one at a time may do so. */
export async function replaceFile(file: string, data: string): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.tmp`);
  const handle = await open(temporary, "w");
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** So that a name is there after a power cut before a later one is. Windows has no such call, and does it by itself. */
async function syncFolder(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(directory);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Whether a file is called as `save` (or TokenLense itself) calls results, Inseq's included. */
export const isResultName = (name: string): boolean => /^\d{8}_\d{6}_.+\.json$|_inseq\.json(\.gz)?$/.test(name);

/** Whether a file may be a result under any name: only what is in it tells. */
export const mayBeResult = (name: string): boolean => /\.json$|_inseq\.json\.gz$/.test(name) && !name.startsWith(".");

/** `<timestamp>_<model>_<prompt>`, the same for the same result. */
export function fileStem({ timestamp, modelName, prompt }: Attribution): string {
  const [date = "", time = ""] = timestamp.toISOString().replaceAll(/[-:]/g, "").split(/[T.]/);
  return `${date}_${time}_${modelPart(modelName)}_${nameOf(prompt, 50) || "prompt"}`;
}

/** The model's own name, without owner or folder. */
export function modelPart(modelName: string): string {
  return nameOf(modelName.split(/[\\/]/).at(-1) ?? "", 60) || "model";
}

/** Letters and digits that every file system takes, in any case and whatever its encoding. */
export function nameOf(text: string, length: number): string {
  const plain = text
    .slice(0, 4 * length)
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "");
  return plain
    .replaceAll(/[^A-Za-z0-9.-]+/g, "_")
    .replaceAll(/^[_.-]+/g, "")
    .slice(0, length)
    .replaceAll(/[_.-]+$/g, "");
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
