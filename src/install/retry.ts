import { setTimeout as sleep } from "node:timers/promises";

/** A failure that another attempt may mend. */
export class Passing extends Error {
  /** Milliseconds that the server asks to wait; undefined where it does not say. */
  readonly wait: number | undefined;

  constructor(message: string, options: { wait?: number | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.wait = options.wait;
  }
}

/** What an answer says of a busy server or a limit that was reached; undefined for any other answer. */
export function passing({ status, statusText, headers }: Response): Passing | undefined {
  if (status < 500 && status !== 429 && status !== 408) return undefined;
  return new Passing(`the server answered ${status} ${statusText}`.trimEnd(), { wait: askedWait(headers) });
}

/** Retry-After, in seconds or as a date, or the time left in a RateLimit header, as Hugging Face sends it. */
function askedWait(headers: Headers): number | undefined {
  const after = headers.get("retry-after");
  const left = headers.get("ratelimit")?.match(/;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)/)?.[1];
  const seconds = after ?? left;
  if (seconds === undefined) return undefined;
  const milliseconds = /^\d+$/.test(seconds.trim()) ? Number(seconds) * 1000 : Date.parse(seconds) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** The longest that a server may have us wait, in milliseconds. */
const LONGEST_WAIT = 60_000;

/**
 * Waits before the next attempt: as long as the server asks, else a time that doubles.
 * @param fruitless attempts so far, from 1.
 * @param backoff milliseconds before the second attempt.
 * @returns whether another attempt makes sense: false where the server asks for more than a minute.
 */
export async function pause(
  error: unknown,
  fruitless: number,
  backoff: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const wait = (error instanceof Passing ? error.wait : undefined) ?? backoff * 2 ** (fruitless - 1);
  if (wait > LONGEST_WAIT) return false;
  await sleep(wait, undefined, signal ? { signal } : {}).catch(() => {});
  return true;
}
