import type { SingleBar } from "cli-progress";
import { formatBytes } from "../install/progress.js";

export interface Step {
  phase: string;
  done: number;
  total: number;
  unit?: string | undefined;
}

const titles: Record<string, string> = {
  wait: "Waiting for another process that prepares the same model",
  download: "Downloading the model",
  verify: "Checking the model",
  build: "Building the model",
  load: "Loading the model",
  start: "Starting the exporter",
  describe: "Reading configuration and tokenizer",
  digest: "Taking the weights' digest",
  reference: "Computing scores with transformers",
  trace: "Tracing the model",
  write: "Writing the archive",
  generate: "Generating",
  attribute: "Attributing",
  measure: "Measuring matrix products",
  list: "Reading results",
};

/** Progress on stderr: a bar for the phase at hand on a terminal, elsewhere a line where a new phase takes long. */
export class Progress {
  #phase: string | undefined;
  #bar: SingleBar | undefined;
  #notice: NodeJS.Timeout | undefined;
  #cliProgress: typeof import("cli-progress") | undefined;

  static async create(): Promise<Progress> {
    const progress = new Progress();
    if (process.stderr.isTTY) progress.#cliProgress = (await import("cli-progress")).default;
    return progress;
  }

  readonly update = ({ phase, done, total, unit }: Step): void => {
    if (phase !== this.#phase) this.#begin(phase, total, unit);
    if (this.#bar?.getTotal() !== total) this.#bar?.setTotal(total);
    this.#bar?.update(done);
  };

  /** Takes the bar away. */
  stop(): void {
    clearTimeout(this.#notice);
    this.#bar?.stop();
    this.#bar = undefined;
    this.#phase = undefined;
  }

  #begin(phase: string, total: number, unit: string | undefined): void {
    this.stop();
    this.#phase = phase;
    const title = titles[phase] ?? phase;
    if (this.#cliProgress === undefined) {
      this.#notice = setTimeout(() => process.stderr.write(`tokenlense: ${title} …\n`), 2000).unref();
      return;
    }
    const amount = (value: number) => (unit === "bytes" ? formatBytes(value) : String(value));
    this.#bar = new this.#cliProgress.SingleBar({
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      format: ({ barsize = 40 }, { value, total: of }) => {
        if (of <= 0) return `${title} … ${value > 0 ? amount(value) : ""}`;
        const full = Math.round((Math.min(value, of) / of) * barsize);
        return `${title} ${"█".repeat(full)}${"░".repeat(barsize - full)} ${amount(value)} of ${amount(of)}`;
      },
    });
    this.#bar.start(total, 0);
  }
}
