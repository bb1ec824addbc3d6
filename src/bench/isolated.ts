import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../install/package.js";
import { formatBytes } from "../install/progress.js";
import { cancelled } from "../task.js";
import { type Answered, type Answers, type Failure, type Question, type Requests, tooSlow } from "./protocol.js";

/** Starts a process that answers {@link Requests}. */
export type StartWorker = () => ChildProcess;

export const startWorker: StartWorker = () =>
  // The compiled one, also where this module runs as it is.
  fork(join(packageRoot(), "dist", "bench", "worker.js"), {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });

export type Outcome<Name extends Question> =
  | { status: "ok"; value: Answers[Name] }
  | { status: "error" | "timeout" | "memory" | "crashed"; error: Failure };

/** How much of what a process wrote before it ended is kept, in characters. */
const TAIL = 500;

/** A process of its own, whose end is an answer like others. */
export class Isolated implements Disposable {
  readonly #child: ChildProcess;
  #ended: { status: "memory" | "crashed"; error: Failure } | undefined;
  #settle: ((outcome: Outcome<Question>) => void) | undefined;
  #stderr = "";

  constructor(start: StartWorker = startWorker) {
    this.#child = start();
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-TAIL);
    });
    this.#child.on("message", (answered: Answered) => {
      if (answered.status === "memory") this.#end("memory", overMemory(answered.bytes));
      else this.#settle?.(answered as Outcome<Question>);
    });
    this.#child.on("error", (error) => this.#end("crashed", crash(error.message)));
    this.#child.on("close", (code, signal) => this.#end("crashed", crash(howEnded(code, signal), this.#stderr)));
  }

  /** It has ended, and answers nothing any more. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /**
   * Asks, and waits for the answer or for the process's end. After `limit` seconds without either it is killed: a limit
   * that the process keeps itself should come first.
   * @throws ERR_TOKENLENSE_CANCELLED when `signal` fires; the process is killed.
   */
  async ask<Name extends Question>(
    name: Name,
    what: Requests[Name],
    { signal, limit }: { signal?: AbortSignal | undefined; limit?: number | undefined } = {},
  ): Promise<Outcome<Name>> {
    if (this.#ended) return this.#ended;
    let timer: NodeJS.Timeout | undefined;
    let cancel: (() => void) | undefined;
    try {
      return await new Promise<Outcome<Name>>((resolve, reject) => {
        this.#settle = resolve as (outcome: Outcome<Question>) => void;
        cancel = () => signal && reject(cancelled(signal));
        if (signal?.aborted) return cancel();
        signal?.addEventListener("abort", cancel, { once: true });
        if (limit !== undefined)
          timer = setTimeout(() => {
            resolve({ status: "timeout", error: tooSlow(limit) });
            this.#kill();
          }, limit * 1000);
        this.#child.send({ ask: name, what }, (error) => error && this.#end("crashed", crash(error.message)));
      });
    } catch (error) {
      this.#kill();
      throw error;
    } finally {
      clearTimeout(timer);
      if (cancel) signal?.removeEventListener("abort", cancel);
      this.#settle = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#kill();
  }

  #kill(): void {
    this.#end("crashed", crash("it was stopped"));
    this.#child.kill("SIGKILL");
  }

  #end(status: "memory" | "crashed", error: Failure): void {
    this.#ended ??= { status, error };
    this.#settle?.(this.#ended);
  }
}

const howEnded = (code: number | null, signal: NodeJS.Signals | null) =>
  signal === null ? `exit code ${code}` : `signal ${signal}`;

function crash(how: string, said = ""): Failure {
  const words = said.trim();
  return {
    code: "ERR_TOKENLENSE_NATIVE",
    message: `The model's process ended: ${how}.${words ? ` It said: ${words}` : ""}`,
    hint: "After SIGKILL the system may have run out of memory; --memory-limit ends a model before that.",
  };
}

const overMemory = (bytes: number): Failure => ({
  code: "ERR_TOKENLENSE_MEMORY",
  message: `The model's process took ${formatBytes(bytes)} of memory, more than the limit.`,
  hint: "Raise --memory-limit, or take shorter prompts or a smaller model.",
});
