import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { TokenlenseError } from "../errors.js";
import { diskError } from "./disk.js";
import { passing, pause } from "./retry.js";

export interface DownloadOptions extends TransferOptions {
  /** Appears whole and verified, or not at all. Until then `<file>.part` holds what has come, and is resumed. */
  file: string;
}

export interface TransferOptions {
  url: string;
  /** Digest of the whole file, hexadecimal: its SHA-256, unless `hash` makes another. */
  digest: string;
  hash?: (file: string) => Promise<string>;
  /** Bytes of the whole file, where they are known: an answer of fewer was cut short. */
  bytes?: number;
  /** Bytes so far and in all; 0 in all where the server does not say. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal | undefined;
  /** In place of the global one. An error of this package that it throws ends the download. */
  fetch?: typeof fetch;
  /** A transfer without a byte for so long is broken off and resumed. Default 30 s. */
  stallMilliseconds?: number;
  /** Attempts in a row that bring no byte, before giving up. Default 4. */
  attempts?: number;
  /** Wait before the second such attempt; doubles each time. Default 1 s. */
  backoffMilliseconds?: number;
}

/** A reason that another attempt cannot change. */
class Final extends Error {}

/**
 * Fetches a file over HTTP, resuming after broken connections and after a killed process.
 * @throws ERR_TOKENLENSE_DOWNLOAD (gone, gave up, wrong digest), ERR_TOKENLENSE_DISK, ERR_TOKENLENSE_CANCELLED.
 */
export async function download({ file, ...options }: DownloadOptions): Promise<void> {
  const part = `${file}.part`;
  await mkdir(dirname(file), { recursive: true }).catch(rethrow);
  await complete(part, options);
  await rename(part, file).catch(rethrow);
}

/** Makes the whole, verified file of what `part` holds of it so far, be it nothing. Errors: {@link download}'s. */
export async function complete(part: string, options: TransferOptions): Promise<void> {
  const { attempts = 4, backoffMilliseconds = 1000, hash = sha256 } = options;
  let restarted = false;
  for (let fruitless = 0; ; ) {
    const before = await size(part);
    try {
      await transfer(options, part, before);
      const digest = await hash(part);
      if (digest === options.digest) return;
      await rm(part, { force: true });
      // What was resumed may have been of another file, and bytes get lost: once more, from the start.
      const kind = digest.length === 64 ? "SHA-256" : "SHA-1";
      if (restarted) throw new Final(`the file's ${kind} is ${digest}, and ${options.digest} was expected`);
      restarted = true;
    } catch (error) {
      if (options.signal?.aborted)
        throw new TokenlenseError("ERR_TOKENLENSE_CANCELLED", "the download was cancelled", {
          cause: options.signal.reason,
        });
      if (error instanceof TokenlenseError) throw error;
      const disk = diskError(error);
      if (disk) throw disk;
      fruitless = (await size(part)) > before ? 0 : fruitless + 1;
      const unknownHost = before === 0 && ["ENOTFOUND", "EAI_AGAIN"].includes(networkCode(error));
      if (error instanceof Final || unknownHost || fruitless >= attempts) throw failure(options.url, error);
      const again = fruitless === 0 || (await pause(error, fruitless, backoffMilliseconds, options.signal));
      if (!again) throw failure(options.url, error);
    }
  }
}

/** One request: appends to `part` what is missing. Returns when the server has sent all it announced. */
async function transfer(options: TransferOptions, part: string, have: number): Promise<void> {
  const stalled = new AbortController();
  const milliseconds = options.stallMilliseconds ?? 30_000;
  const breakOff = () => stalled.abort(new Error(`no data for ${milliseconds / 1000} s`));
  let timer = setTimeout(breakOff, milliseconds);
  try {
    const response = await (options.fetch ?? fetch)(options.url, {
      headers: { "accept-encoding": "identity", ...(have > 0 ? { range: `bytes=${have}-` } : {}) },
      signal: options.signal ? AbortSignal.any([options.signal, stalled.signal]) : stalled.signal,
    });
    if (response.status === 416) {
      await response.body?.cancel();
      // All there already; or more than there is, which the digest will tell.
      return;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw passing(response) ?? new Final(`the server answered ${response.status} ${response.statusText}`);
    }
    const range = response.headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+)$/);
    const resumed = response.status === 206 && Number(range?.[1]) === have;
    if (response.status === 206 && !resumed) throw new Final("the server sent another range than the one asked for");
    let done = resumed ? have : 0;
    const announced = resumed ? Number(range?.[2]) : Number(response.headers.get("content-length") ?? 0);
    const total = options.bytes ?? announced;
    options.onProgress?.(done, total);
    // Written as it comes, chunk by chunk: a broken connection loses nothing that had arrived.
    const file = await open(part, resumed ? "a" : "w");
    try {
      for await (const chunk of response.body) {
        clearTimeout(timer);
        timer = setTimeout(breakOff, milliseconds);
        await file.appendFile(chunk);
        done += chunk.length;
        options.onProgress?.(done, total);
      }
    } finally {
      await file.close();
    }
    if (total > 0 && done < total) throw new Error(`the connection ended after ${done} of ${total} bytes`);
  } catch (error) {
    throw stalled.signal.aborted && !(error instanceof Final) ? stalled.signal.reason : error;
  } finally {
    clearTimeout(timer);
  }
}

/** fetch wraps what the socket said. */
function networkCode(error: unknown): string {
  const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? "";
}

function failure(url: string, error: unknown): TokenlenseError {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return new TokenlenseError("ERR_TOKENLENSE_DOWNLOAD", `${url}: ${(error as Error).message}${cause}`, {
    cause: error,
  });
}

function rethrow(error: unknown): never {
  throw diskError(error) ?? error;
}

async function size(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  );
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
