import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { environmentPython, pythonEnvironment } from "../install/environment.js";
import { packageRoot } from "../install/package.js";
import { cacheDirectory } from "../install/paths.js";
import type { Progress } from "../install/progress.js";
import { findPython } from "../install/python.js";
import { cancelled } from "../task.js";

/** Versions that the pinned packages have wheels for. */
const PYTHON = { lowest: 11, highest: 14 };

const count = z.int().positive();
const describedSchema = z.object({
  event: z.literal("described"),
  /** Files of the tokenizer, until it is answered. */
  folder: z.string(),
  samples: z.array(z.object({ text: z.string(), ids: z.array(z.int()) })),
  name: z.string(),
  family: z.string(),
  sizes: z.object({
    ...{ layers: count, heads: count, kvHeads: count, headDim: count },
    ...{ width: count, hidden: count, vocabulary: count, context: count },
  }),
  /** Of the weights in float32. */
  bytes: z.number(),
});
/** What python/tokenlense_export says, a JSON object per line. */
const eventSchema = z.discriminatedUnion("event", [
  z.object({
    event: z.literal("phase"),
    phase: z.enum(["start", "download", "describe", "load", "digest", "reference", "trace", "write", "verify"]),
    done: z.number(),
    total: z.number(),
    unit: z.enum(["bytes", "steps"]),
  }),
  describedSchema,
  z.object({
    event: z.literal("done"),
    differences: z.object({ logits: z.number(), gradients: z.number() }),
  }),
  z.object({ event: z.literal("refused"), code: z.string(), message: z.string(), hint: z.string().nullable() }),
]);

type Event = z.infer<typeof eventSchema>;
export type Described = z.infer<typeof describedSchema>;
/** "start" of Python and its libraries, "load" the weights, "reference" scores by transformers, … */
export type ExporterPhase = Omit<Extract<Event, { event: "phase" }>, "event">;

export interface ExporterOptions {
  /** A Python to make the environment from. Default: the first found that fits. */
  python?: string | undefined;
  /** Of making the environment, which happens once. */
  progress: Progress;
  /** Ends the exporter. */
  signal?: AbortSignal | undefined;
}

/** The interpreter of the exporter's environment, made at the first call. Errors: {@link findPython}'s, {@link pythonEnvironment}'s. */
export async function exporterPython({ python: named, progress, signal }: ExporterOptions): Promise<string> {
  const python = findPython(PYTHON, named);
  const folder = await pythonEnvironment({
    name: `export-venv-${python.version.join(".")}`,
    requirements: join(packageRoot(), "python/requirements.txt"),
    ...{ python, compile: false, progress, signal },
  });
  return environmentPython(folder);
}

/** The exporter's Python, in an environment of its own; takes one job after another. Ends at `close()`. */
export class Exporter {
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #signal: AbortSignal | undefined;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<{ code: number | null; signal: string | null }>;
  /** The last of what it wrote on stderr. */
  #tail = "";

  /** Errors: {@link exporterPython}'s. */
  static async start(options: ExporterOptions): Promise<Exporter> {
    const python = await exporterPython(options);
    const log = join(cacheDirectory(), "logs/export.log");
    await mkdir(dirname(log), { recursive: true }).catch(() => {});
    return new Exporter(python, log, options.signal);
  }

  private constructor(python: string, log: string, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#log = log;
    // Without compiled modules each start would take twice as long.
    const { PYTHONPATH = "", PYTHONDONTWRITEBYTECODE: _, ...env } = process.env;
    this.#child = spawn(python, ["-m", "tokenlense_export"], {
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
      env: {
        ...env,
        PYTHONPATH: [join(packageRoot(), "python"), PYTHONPATH].filter(Boolean).join(delimiter),
        ...{ PYTHONUNBUFFERED: "1", PYTHONUTF8: "1", TRANSFORMERS_VERBOSITY: "error" },
      },
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", (code, signal) => resolve({ code, signal }));
      this.#child.on("error", (error) => {
        this.#tail += error.message;
        resolve({ code: null, signal: null });
      });
    });
    this.#child.stdin?.on("error", () => {}); // it has ended, and that is told by `#ended`
    const file = createWriteStream(log, { flags: "a" }).on("error", () => {}); // a cache that cannot be written costs the log
    this.#child.stderr?.pipe(file);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#tail = (this.#tail + text).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
    signal?.addEventListener("abort", this.#kill, { once: true });
    if (signal?.aborted) this.#kill();
  }

  readonly #kill = () => void this.#child.kill();

  /** Gives it a job, or the answer to what it described. */
  send(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }

  /**
   * The next event that is not a phase.
   * @throws what it refused a model for; ERR_TOKENLENSE_CANCELLED, _MEMORY or _NATIVE where it ended.
   */
  async next(onPhase?: (phase: ExporterPhase) => void): Promise<Exclude<Event, { event: "phase" | "refused" }>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw await this.#end();
      const event = eventSchema.parse(JSON.parse(value));
      if (event.event === "refused") {
        const { code, message, hint } = event;
        const log = code === "NATIVE" ? `More is in ${this.#log}.` : undefined;
        const refusal = { code: `ERR_TOKENLENSE_${code}`, hint: hint ?? log };
        throw TokenlenseError.from(Object.assign(new Error(message), refusal));
      }
      if (event.event !== "phase") return event;
      onPhase?.(event);
    }
  }

  async #end(): Promise<TokenlenseError> {
    const { code, signal } = await this.#ended;
    if (this.#signal?.aborted) return cancelled(this.#signal);
    const hint = `What it said is in ${this.#log}.`;
    if (signal === "SIGKILL") {
      return new TokenlenseError("ERR_TOKENLENSE_MEMORY", "The exporter was ended by the system: memory ran out.", {
        hint: "It needs room for the weights in float32 twice.",
      });
    }
    const last = this.#tail.trim().split("\n").at(-1);
    const how = signal ?? `exit code ${code}`;
    return new TokenlenseError("ERR_TOKENLENSE_NATIVE", `The exporter ended (${how})${last ? `: ${last}` : ""}.`, {
      hint,
    });
  }

  /** Ends it; once this resolves it writes nothing any more. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#kill);
    this.#kill();
    await this.#ended;
  }
}
