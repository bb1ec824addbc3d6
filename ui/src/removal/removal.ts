import { removeResult } from "../api/results.js";

// Results that are to be removed, and can still be kept: the server is told when the time to think is over, or the page is left.

/** Milliseconds to change one's mind. */
export const GRACE = 8000;

export interface Removal {
  ids: readonly string[];
  undo: () => void;
}

let waiting: ReadonlySet<string> = new Set();
const listeners = new Set<() => void>();
const timers = new Map<string, ReturnType<typeof setTimeout>>();

function change(ids: Iterable<string>): void {
  waiting = new Set(ids);
  for (const listener of listeners) listener();
}

/** What lists leave out. */
export const removing = (): ReadonlySet<string> => waiting;

export function watchRemoving(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * Removes results in a while.
 * @param done Called with what the server refused, before lists show again what is still there.
 */
export function removeSoon(ids: readonly string[], done: (errors: unknown[]) => Promise<void>): Removal {
  const [key = ""] = ids;
  change([...waiting, ...ids]);
  const settle = () => change([...waiting].filter((id) => !ids.includes(id)));
  const remove = async () => {
    timers.delete(key);
    const outcomes = await Promise.allSettled(ids.map((id) => removeResult(id)));
    await done(outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : [])));
    settle();
  };
  timers.set(key, setTimeout(remove, GRACE));
  return {
    ids,
    undo: () => {
      clearTimeout(timers.get(key));
      timers.delete(key);
      settle();
    },
  };
}

// The page goes, and takes the timers with it.
window.addEventListener("pagehide", () => {
  for (const timer of timers.values()) clearTimeout(timer);
  timers.clear();
  for (const id of waiting) removeResult(id, { keepalive: true }).catch(() => {});
});
