import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What both programs answer to `attribute`. */
export interface WorkerAttribution {
  /** Of each repeat. */
  seconds: number[];
  /** [sequence, outputs] */
  shape: number[];
  /** Little-endian float32, base64. */
  scores: string;
  /** By how much each output's scores miss their sum, as `scores`; only where the method says what it is, and of Inseq where asked for. */
  deltas?: string;
  /** Largest resident size of the process during the repeats, weights and libraries included. Null where the system does not tell. */
  peakBytes: number | null;
}

/** A program that answers JSON lines: `{id, command, …}` in, `{id, result}` or `{id, error}` out, its own facts first as id 0. */
export class Worker<About> {
  readonly about: Promise<About>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #last = 0;

  constructor(program: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
    this.#child = child;
    let complaints = "";
    child.stderr.on("data", (data: Buffer) => {
      complaints = (complaints + data).slice(-4000);
    });
    this.about = this.#expect(0);
    createInterface(child.stdout).on("line", (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result: never; error?: string };
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    const fail = (reason: string) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${program} ${reason}\n${complaints}`));
      this.#waiting.clear();
    };
    child.on("error", (error) => fail(error.message));
    child.on("close", (code, signal) => fail(`ended with ${signal ?? code}`));
    child.stdin.on("error", () => {}); // a program that ended is reported by "close"
  }

  ask<Result>(command: string, args: object = {}): Promise<Result> {
    this.#last += 1;
    const answer = this.#expect<Result>(this.#last);
    this.#child.stdin?.write(`${JSON.stringify({ id: this.#last, command, ...args })}\n`);
    return answer;
  }

  /** Lets it end by itself, and waits for that. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.on("close", resolve));
    this.#child.stdin?.end();
    await closed;
  }

  #expect<Result>(id: number): Promise<Result> {
    return new Promise<Result>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}
