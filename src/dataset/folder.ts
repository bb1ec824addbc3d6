import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TokenlenseError } from "../errors.js";

/** Milliseconds after which the lock of a process that was killed counts as abandoned: the least that proper-lockfile takes. */
const STALE = 2000;

/**
 * Takes a run's folder, which is made where there is none, for this process alone. One whose last process was killed is
 * free after two seconds, which are waited for.
 * @param onLost Called where another process took the folder all the same, since this one slept.
 * @returns How to give it back.
 * @throws ERR_TOKENLENSE_DISK where it cannot be written, or another process works in it.
 */
export async function takeFolder(folder: string, onLost: (error: Error) => void): Promise<() => Promise<void>> {
  const { lock } = await import("proper-lockfile");
  const directory = resolve(folder);
  const waits = { retries: 10, factor: 1, minTimeout: STALE / 8, maxTimeout: STALE / 8 };
  try {
    await mkdir(directory, { recursive: true });
    const release = await lock(directory, {
      lockfilePath: join(directory, ".lock"),
      stale: STALE,
      retries: waits,
      onCompromised: onLost,
    });
    return () => release().catch(() => {});
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ELOCKED")
      throw new TokenlenseError("ERR_TOKENLENSE_DISK", `Another process is at work in ${directory}.`, {
        hint: "Wait until it is through, or choose another folder (--output).",
        cause,
      });
    throw new TokenlenseError("ERR_TOKENLENSE_DISK", `Nothing can be written in ${directory}: ${message}`, {
      hint: "Choose another folder (--output).",
      cause,
    });
  }
}
