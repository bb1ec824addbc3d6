import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import yauzl from "yauzl";
import { TokenlenseError } from "../errors.js";

/** A wheel's or an official archive's C++ half: libraries, headers, version and licences; nothing that needs Python. */
const WANTED =
  /^(?:torch|libtorch)\/(?:lib|include)\/|^(?:torch|libtorch)\/(?:version\.py|build-version)$|\.dist-info\//;
const UNWANTED = /\/(?:lib)?torch_python[._]|\.a$/;

/** Whether a file of an unpacked torch belongs to libtorch. `path` uses slashes and is relative to the archive. */
export function belongsToLibtorch(path: string): boolean {
  return WANTED.test(path) && !UNWANTED.test(path);
}

/**
 * Unpacks the libtorch in a zip (a torch wheel or an official archive) into `folder`.
 * @param onProgress bytes written so far and in all.
 */
export async function unpackLibtorch(
  zip: string,
  folder: string,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  // Names that lead out of the folder are refused by yauzl.
  const archive = await yauzl.openPromise(zip, { lazyEntries: true, autoClose: false }).catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${zip} is not a zip file: ${(cause as Error).message}`, {
      cause,
    });
  });
  try {
    const entries: yauzl.Entry[] = [];
    for await (const entry of archive.eachEntry())
      if (!entry.fileName.endsWith("/") && belongsToLibtorch(entry.fileName)) entries.push(entry);
    const total = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
    let done = 0;
    for (const entry of entries) {
      const file = join(folder, entry.fileName);
      await mkdir(dirname(file), { recursive: true });
      await pipeline(await archive.openReadStreamPromise(entry), createWriteStream(file));
      done += entry.uncompressedSize;
      onProgress(done, total);
    }
  } finally {
    archive.close();
  }
}
