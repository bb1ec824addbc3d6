import { EventEmitter } from "node:events";
import { z } from "zod";
import { attributionRequest } from "./request.js";

export const jobStates = ["queued", "running", "done", "failed", "cancelled"] as const;

const time = z.iso.datetime();

/** A job as it is recorded: what there has to be to run it again. */
export const jobRecord = z.object({
  id: z.uuid(),
  state: z.enum(jobStates),
  request: attributionRequest,
  /** Who asked: an address. */
  client: z.string(),
  created: time,
  started: time.optional(),
  ended: time.optional(),
  /** How often it was begun and the process did not live to see it end. */
  attempts: z.int().nonnegative(),
  result: z.string().optional().describe("of the stored result, for /results/{id}"),
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }).optional(),
});

export type JobRecord = z.output<typeof jobRecord>;

/** A job as clients see it. */
export const jobView = jobRecord.omit({ client: true, attempts: true }).extend({
  position: z.int().nonnegative().optional().describe("how many jobs are before it; while it is queued"),
  progress: z
    .object({
      phase: z.string(),
      done: z.number(),
      total: z.number().describe("0 where it is not known"),
      unit: z.string().optional().describe('"bytes", of a download'),
      target: z.string().optional().describe("while it is attributed: the whole text, with what was generated"),
    })
    .optional()
    .describe("while it runs"),
});

export type JobView = z.output<typeof jobView>;
export type JobProgress = NonNullable<JobView["progress"]>;

/** A job while the server knows it. */
export class Job {
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly #controller = new AbortController();
  #record: JobRecord;
  #progress: JobProgress | undefined;
  #version = 0;

  constructor(record: JobRecord) {
    this.#record = record;
  }

  get record(): Readonly<JobRecord> {
    return this.#record;
  }

  get progress(): JobProgress | undefined {
    return this.#progress;
  }

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get open(): boolean {
    return this.#record.state === "queued" || this.#record.state === "running";
  }

  update(changes: Partial<JobRecord>): void {
    this.#record = { ...this.#record, ...changes };
    this.#progress = undefined;
    this.touch();
  }

  readonly report = (progress: JobProgress): void => {
    const { phase, done, total, unit, target } = progress;
    this.#progress = {
      phase,
      done,
      total,
      ...(unit !== undefined && { unit }),
      ...(target !== undefined && { target }),
    };
    this.touch();
  };

  /** Something about it is new to those who watch. */
  touch(): void {
    this.#version++;
    this.#events.emit("change");
  }

  /** The first reason stays the signal's. */
  abort(reason: "cancel" | "stop"): void {
    this.#controller.abort(reason);
  }

  /** Calls back at each change, until the function that it gives is called. */
  watch(changed: () => void): () => void {
    this.#events.on("change", changed);
    return () => this.#events.off("change", changed);
  }
}
