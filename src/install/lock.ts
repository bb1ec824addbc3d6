import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { lock } from "proper-lockfile";
import { throwIfCancelled } from "../task.js";
import { diskError } from "./disk.js";

/** Milliseconds after which the lock of a process that was killed counts as abandoned. */
const STALE = 20_000;

/**
 * Runs `work` while no other process holds the lock at `file` (a path; nothing needs to exist there). Waits as long as the holder
 * lives, or until `signal` fires, calling `onWait` once. A holder that was killed is noticed within 20 s.
 */
export async function withLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait?: () => void,
  signal?: AbortSignal,
): Promise<T> {
  // A process that slept past STALE loses the lock; work under it must end in a rename, so that two at once do no harm.
  const options = { realpath: false, lockfilePath: file, stale: STALE, update: STALE / 4, onCompromised: () => {} };
  let waiting = false;
  for (;;) {
    throwIfCancelled(signal);
    let release: () => Promise<void>;
    try {
      await mkdir(dirname(file), { recursive: true });
      release = await lock(file, options);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw diskError(error) ?? error;
      if (!waiting) onWait?.();
      waiting = true;
      await new Promise((resolve) => setTimeout(resolve, 250));
      continue;
    }
    try {
      return await work();
    } finally {
      await release().catch(() => {});
    }
  }
}
