import { TokenlenseError } from "./errors.js";
import type { NativeTask } from "./native.js";

/**
 * Waits for native work. When `signal` fires the task stops within one block and this rejects with
 * ERR_TOKENLENSE_CANCELLED, whose `cause` is the signal's reason. Every failure is a TokenlenseError, of a plan that the
 * addon does not take as well where the task is given as what starts it.
 */
export async function run<T>(given: NativeTask<T> | (() => NativeTask<T>), signal?: AbortSignal): Promise<T> {
  const task = typeof given === "function" ? started(given) : given;
  const cancel = () => task.cancel();
  if (signal?.aborted) {
    cancel();
    task.promise.catch(() => {});
    throw cancelled(signal);
  }
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const value = await task.promise;
    // Fired while the last of the work was done: the caller does not wait for it any more.
    throwIfCancelled(signal);
    return value;
  } catch (cause) {
    const error = TokenlenseError.from(cause);
    throw signal?.aborted && error.code === "ERR_TOKENLENSE_CANCELLED" ? cancelled(signal) : error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

function started<T>(start: () => NativeTask<T>): NativeTask<T> {
  try {
    return start();
  } catch (cause) {
    throw TokenlenseError.from(cause);
  }
}

/** Throws ERR_TOKENLENSE_CANCELLED if `signal` has fired: for the stretches between tasks. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}

/** What a call rejects with when its `signal` has fired. */
export function cancelled(signal: AbortSignal): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_CANCELLED", "The work was cancelled.", { cause: signal.reason });
}
