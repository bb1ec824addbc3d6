import { randomUUID } from "node:crypto";
import { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";
import type { Attribution } from "../result.js";

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
  const directory = resolve(folder);
  const temporary = join(directory, `.${randomUUID()}.tmp`);
  try {
    await mkdir(directory, { recursive: true });
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(data);
        await file.sync();
      } finally {
        await file.close();
      }
      return await publish(temporary, directory, stem, suffix);
    } finally {
      await unlink(temporary).catch(() => {});
    }
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_DISK",
      `The result could not be stored in ${directory}: ${reason(cause)}`,
      {
        hint: "Make room or choose another folder (--output, or save()'s second argument).",
        cause,
      },
    );
  }
}

// A hard link fails where the name is taken, which a rename does not. Without hard links (FAT) the name is reserved first.
async function publish(temporary: string, directory: string, stem: string, suffix: string): Promise<string> {
  for (let copy = 1; ; copy++) {
    const file = join(directory, copy === 1 ? `${stem}${suffix}` : `${stem}-${copy}${suffix}`);
    try {
      await link(temporary, file).catch(async (error: NodeJS.ErrnoException) => {
        if (!["EPERM", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"].includes(error.code ?? "")) throw error;
        await (await open(file, "wx")).close();
        await rename(temporary, file);
      });
      return file;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

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
