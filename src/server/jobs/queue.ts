import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import PQueue from "p-queue";
import { TokenlenseError } from "../../errors.js";
import { notFound, told } from "../errors.js";
import { Job, type JobRecord, type JobView } from "./job.js";
import type { AttributionRequest } from "./request.js";
import type { JobStore } from "./store.js";

/** Ended jobs that are kept, in memory and on disk. */
const KEPT = 500;
/** A job that was running when so many processes died is likely what they died of. */
const MOST_ATTEMPTS = 2;

export interface QueueOptions {
  store: JobStore;
  concurrency: number;
  limits: { queue: number; client: number };
  /** Does a job's work, and gives the id of the result. */
  work: (job: Job) => Promise<string>;
  /** Called when a job has ended, and its end is recorded. */
  onEnd: (job: Job) => void;
  /** Called when a job's state could not be recorded. */
  onFault: (error: unknown) => void;
}

/** Jobs, first come first served, so many at a time. Each is recorded before it is accepted, and at each change of its state. */
export class JobQueue {
  readonly #options: QueueOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #queue: PQueue;
  #stopping = false;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.concurrency });
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Takes up what an earlier process recorded: what had not ended runs again. */
  async resume(records: readonly JobRecord[]): Promise<void> {
    for (const record of records) {
      const job = new Job(record);
      this.#jobs.set(record.id, job);
      if (!job.open) continue;
      if (record.attempts >= MOST_ATTEMPTS) {
        const message = `The server ended ${record.attempts} times while it ran this job.`;
        await this.#end(job, { state: "failed", error: { code: "ERR_TOKENLENSE_NATIVE", message } });
      } else {
        job.update({ state: "queued", started: undefined });
        this.#enqueue(job);
      }
    }
  }

  /**
   * Accepts a job.
   * @throws ERR_TOKENLENSE_BUSY, _STOPPING, _DISK
   */
  async submit(request: AttributionRequest, client: string): Promise<JobView> {
    if (this.#stopping)
      throw new TokenlenseError("ERR_TOKENLENSE_STOPPING", "The server is stopping.", {
        hint: "Ask again when it is back.",
      });
    const { limits, store } = this.#options;
    const open = [...this.#jobs.values()].filter((job) => job.open);
    const own = open.filter((job) => job.record.client === client);
    for (const [jobs, most, whose] of [
      [open, limits.queue, "The server has"],
      [own, limits.client, "You have"],
    ] as const)
      if (jobs.length >= most)
        throw new TokenlenseError(
          "ERR_TOKENLENSE_BUSY",
          `${whose} ${jobs.length} jobs waiting or running, the most there may be.`,
          {
            hint: "Wait until one has ended, or cancel one.",
          },
        );
    const created = new Date().toISOString();
    const job = new Job({ id: randomUUID(), state: "queued", request, client, created, attempts: 0 });
    this.#jobs.set(job.record.id, job); // counts from now on
    try {
      await store.write(job.record);
    } catch (error) {
      this.#jobs.delete(job.record.id);
      throw error;
    }
    this.#enqueue(job);
    return this.view(job);
  }

  /** @throws ERR_TOKENLENSE_NOT_FOUND */
  get(id: string): Job {
    const job = this.#jobs.get(id);
    if (job) return job;
    throw notFound(`There is no job ${id}.`, `The last ${KEPT} that ended are kept.`);
  }

  /** The newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].reverse();
  }

  view(job: Job): JobView {
    const { client: _, attempts: __, ...record } = job.record;
    const { progress } = job;
    if (record.state !== "queued") return { ...record, ...(progress && { progress }) };
    const waiting = [...this.#jobs.values()].filter((other) => other.record.state === "queued");
    return { ...record, position: waiting.indexOf(job) };
  }

  count(state: JobRecord["state"]): number {
    return [...this.#jobs.values()].filter((job) => job.record.state === state).length;
  }

  /** Ends a job that waits at once, one that runs at its next block; one that has ended stays as it is. */
  async cancel(job: Job): Promise<void> {
    job.abort("cancel");
    if (job.record.state === "queued") await this.#end(job, { state: "cancelled" });
  }

  /** Takes no more jobs; gives those that run some time to end, and records the others for the next start. */
  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    this.#queue.pause();
    const ended = this.#queue.onPendingZero();
    const leaving = new AbortController();
    await Promise.race([ended, delay(grace, undefined, { signal: leaving.signal }).catch(() => {})]);
    leaving.abort();
    for (const job of this.#jobs.values()) if (job.record.state === "running") job.abort("stop");
    await ended;
    this.#queue.clear();
  }

  #enqueue(job: Job): void {
    void this.#queue.add(() => this.#run(job)).catch(this.#options.onFault);
  }

  async #run(job: Job): Promise<void> {
    if (job.record.state !== "queued") return;
    const { attempts } = job.record;
    job.update({ state: "running", started: new Date().toISOString(), attempts: attempts + 1 });
    for (const other of this.#jobs.values()) if (other.record.state === "queued") other.touch();
    try {
      await this.#options.store.write(job.record);
      await this.#end(job, { state: "done", result: await this.#options.work(job) });
    } catch (thrown) {
      const error = TokenlenseError.from(thrown);
      if (!job.signal.aborted) await this.#end(job, { state: "failed", error: told(error) });
      else if (job.signal.reason !== "stop") await this.#end(job, { state: "cancelled" });
      else {
        job.update({ state: "queued", started: undefined, attempts });
        await this.#options.store.write(job.record);
      }
    }
  }

  async #end(job: Job, outcome: Pick<JobRecord, "state" | "result" | "error">): Promise<void> {
    const record = { ...job.record, ...outcome, ended: new Date().toISOString() };
    if (job.record.state === "queued") job.update(record); // before its turn comes
    await this.#options.store.write(record).catch(this.#options.onFault);
    job.update(record);
    this.#options.onEnd(job);
    const ended = [...this.#jobs.values()].filter((other) => !other.open);
    for (const old of ended.slice(0, Math.max(0, ended.length - KEPT))) {
      this.#jobs.delete(old.record.id);
      await this.#options.store.remove(old.record.id).catch(this.#options.onFault);
    }
  }
}
