import { throwIfCancelled } from "../task.js";
import { Isolated, type Outcome, type StartWorker } from "./isolated.js";
import type { Answers, Requests } from "./protocol.js";
import type { Failed, LoadedModel } from "./schema.js";

/** Crashes in succession after which a model is given up. */
const MOST_CRASHES = 3;

export interface QuestionOptions<Job, Name extends "cell" | "check"> {
  load: Requests["load"];
  ask(job: Job, worker: Isolated): Promise<Outcome<Name>>;
  /** A process has the model. */
  onLoad?: ((model: LoadedModel) => Promise<void>) | undefined;
  signal?: AbortSignal | undefined;
  start?: StartWorker | undefined;
}

/** A row but for its job. */
export type Answer<Name extends "cell" | "check"> = ({ status: "ok" } & Answers[Name]) | Failed;

/**
 * Puts a question for each job to one model in a process of its own, and to another process where that has ended. A model
 * that cannot be loaded, or only crashes, fails the jobs that are left.
 * @throws ERR_TOKENLENSE_CANCELLED
 */
export async function* answers<Job, Name extends "cell" | "check">(
  jobs: readonly Job[],
  { load, ask, onLoad, signal, start }: QuestionOptions<Job, Name>,
): AsyncGenerator<{ job: Job; answer: Answer<Name> }, void, undefined> {
  let worker: Isolated | undefined;
  let crashes = 0;
  let hopeless: Failed | undefined;
  try {
    for (const job of jobs) {
      throwIfCancelled(signal);
      if (!hopeless && (!worker || worker.ended)) {
        worker?.[Symbol.dispose]();
        worker = new Isolated(start);
        const loaded = await worker.ask("load", load, { signal });
        if (loaded.status === "ok") await onLoad?.(loaded.value);
        else hopeless = failure(loaded, "while it was loaded");
      }
      if (hopeless || !worker) {
        yield { job, answer: hopeless as Failed };
        continue;
      }
      const outcome = await ask(job, worker);
      if (outcome.status === "ok") {
        crashes = 0;
        yield { job, answer: { status: "ok", ...outcome.value } };
        continue;
      }
      if (outcome.status === "crashed" && ++crashes === MOST_CRASHES)
        hopeless = failure(outcome, `${MOST_CRASHES} times in succession; the model was given up`);
      yield { job, answer: failure(outcome) };
    }
  } finally {
    worker?.[Symbol.dispose]();
  }
}

function failure(outcome: Exclude<Outcome<"load" | "cell" | "check">, { status: "ok" }>, when?: string): Failed {
  const { code, message, hint } = outcome.error;
  const error = { code, message: when ? `${message} (${when})` : message, ...(hint !== undefined && { hint }) };
  return { status: outcome.status, error };
}
