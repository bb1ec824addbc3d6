import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { throwIfCancelled } from "../task.js";
import { modelCache } from "./cache.js";
import type { LoadOptions } from "./progress.js";

const indexSchema = z.record(
  z.string(),
  z.object({ size: z.number(), modified: z.number(), inode: z.number(), sha256: z.string() }),
);

/** Files whose digests are remembered; the oldest go first. */
const REMEMBERED = 200;

/**
 * SHA-256 of a file, hexadecimal.
 * @throws ERR_TOKENLENSE_FILE where it cannot be read.
 */
export async function sha256(path: string, { signal, onProgress }: LoadOptions = {}): Promise<string> {
  throwIfCancelled(signal);
  const hash = createHash("sha256");
  try {
    const { size: total } = await stat(path);
    let done = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      throwIfCancelled(signal);
      hash.update(chunk as Buffer);
      done += (chunk as Buffer).length;
      onProgress?.({ phase: "verify", done, total, unit: "bytes" });
    }
  } catch (cause) {
    if (cause instanceof TokenlenseError) throw cause;
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  return hash.digest("hex");
}

/** The digest that {@link rememberedSha256} found earlier, if the file has not changed since (size, time, inode). */
export async function knownSha256(path: string): Promise<string | undefined> {
  const { key, size, modified, inode } = await identity(path);
  const known = (await readIndex())[key];
  return known?.size === size && known.modified === modified && known.inode === inode ? known.sha256 : undefined;
}

/** SHA-256 of a file that is read only if it has changed since it was last asked for. Errors: {@link sha256}'s. */
export async function rememberedSha256(path: string, options: LoadOptions = {}): Promise<string> {
  const known = await knownSha256(path);
  if (known !== undefined) return known;
  const found = await identity(path);
  const digest = await sha256(found.key, options);
  const name = basename(found.key);
  // As the hub's cache names large files. Nothing else would find out that one was damaged there.
  if (/^[0-9a-f]{64}$/.test(name) && name !== digest) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${found.key} is damaged: its SHA-256 is ${digest}.`, {
      hint: "Remove the file, and load the model again to have it downloaded anew.",
    });
  }
  await remember(found, digest);
  return digest;
}

/** Remembers the digest of a file that was read already. */
export async function rememberSha256(path: string, digest: string): Promise<void> {
  await remember(await identity(path), digest);
}

async function remember({ key, ...found }: Identity, digest: string): Promise<void> {
  const { [key]: _, ...others } = await readIndex();
  const kept = Object.entries(others).slice(-REMEMBERED + 1);
  await writeIndex(Object.fromEntries([...kept, [key, { ...found, sha256: digest }]]));
}

interface Identity {
  key: string;
  size: number;
  modified: number;
  inode: number;
}

async function identity(path: string): Promise<Identity> {
  const key = await realpath(path);
  const { size, mtimeMs, ino } = await stat(key);
  return { key, size, modified: mtimeMs, inode: ino };
}

const indexPath = () => join(modelCache(), "digests.json");

async function readIndex(): Promise<z.infer<typeof indexSchema>> {
  try {
    return indexSchema.parse(JSON.parse(await readFile(indexPath(), "utf8")));
  } catch {
    return {}; // Missing or damaged: files are read again, nothing is lost.
  }
}

/** Where the cache cannot be written, the next start reads the files again; the work at hand goes on. */
async function writeIndex(index: z.infer<typeof indexSchema>): Promise<void> {
  try {
    await mkdir(modelCache(), { recursive: true });
    const temporary = `${indexPath()}.${process.pid}.tmp`;
    await writeFile(temporary, JSON.stringify(index, null, 1));
    await rename(temporary, indexPath());
  } catch {}
}
