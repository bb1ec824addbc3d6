import { setTimeout as delay } from "node:timers/promises";
import type { Job, JobView } from "./job.js";

/** Milliseconds between two events of a job at least: who watches sees the newest state, not each one. */
const PACE = 100;
/** Milliseconds after which a comment shows that the connection lives. */
const HEARTBEAT = 15_000;

/**
 * A job's course as server-sent events, each with the whole job as JSON: `progress` while it waits and runs, and its last
 * state (`done`, `failed`, `cancelled`), with which the stream ends. Nothing gathers while the reader is slow.
 * @param stopping Ends the stream, with the job's state then.
 */
export async function* jobEvents(
  job: Job,
  view: (job: Job) => JobView,
  stopping: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  yield "retry: 2000\n\n";
  let sent: number | undefined;
  for (;;) {
    const { version, open } = job;
    if (version === sent) yield ": still there\n\n";
    else {
      const name = open ? "progress" : job.record.state;
      yield `id: ${version}\nevent: ${name}\ndata: ${JSON.stringify(view(job))}\n\n`;
      if (!open) return;
      sent = version;
    }
    if (stopping.aborted) return;
    await delay(PACE, undefined, { signal: stopping }).catch(() => {});
    await change(job, version, stopping);
  }
}

/** Waits until the job is of another version, or a heartbeat long. */
async function change(job: Job, version: number, stopping: AbortSignal): Promise<void> {
  if (job.version !== version || stopping.aborted) return;
  const woken = new AbortController();
  const wake = () => woken.abort();
  const unwatch = job.watch(wake);
  stopping.addEventListener("abort", wake, { once: true });
  try {
    await delay(HEARTBEAT, undefined, { signal: woken.signal }).catch(() => {});
  } finally {
    unwatch();
    stopping.removeEventListener("abort", wake);
  }
}
