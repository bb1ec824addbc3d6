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
  read: "Reading the dataset",
  dataset: "Attributing the dataset",
  bench: "Benchmarking",
  measure: "Measuring matrix products",
  list: "Reading results",
};

/** Milliseconds between two lines of a phase whose unit is prompts, where there is no bar. */
const LINE_INTERVAL = 60_000;

/**
 * Progress on stderr: a bar for the phase at hand on a terminal, elsewhere a line where a new phase takes long. Where prompts
 * are counted, with their rate and the time left.
 */
export class Progress {
  #phase: string | undefined;
  #bar: SingleBar | undefined;
  #notice: NodeJS.Timeout | undefined;
  #cliProgress: typeof import("cli-progress") | undefined;
  #pace = new Pace(0);
  #lineDue = 0;

  static async create(): Promise<Progress> {
    const progress = new Progress();
    if (process.stderr.isTTY) progress.#cliProgress = (await import("cli-progress")).default;
    return progress;
  }

  readonly update = ({ phase, done, total, unit }: Step): void => {
    if (phase !== this.#phase) this.#begin(phase, done, total, unit);
    if (this.#bar?.getTotal() !== total) this.#bar?.setTotal(total);
    this.#bar?.update(done);
    if (unit !== "prompts" || this.#bar || Date.now() < this.#lineDue) return;
    this.#lineDue = Date.now() + LINE_INTERVAL;
    process.stderr.write(`tokenlense: ${titles[phase] ?? phase}: ${done} of ${total}${this.#pace.text(done, total)}\n`);
  };

  /** Takes the bar away. */
  stop(): void {
    clearTimeout(this.#notice);
    this.#bar?.stop();
    this.#bar = undefined;
    this.#phase = undefined;
  }

  #begin(phase: string, done: number, total: number, unit: string | undefined): void {
    this.stop();
    this.#phase = phase;
    this.#pace = new Pace(done);
    this.#lineDue = Date.now() + LINE_INTERVAL;
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
        return `${title} ${"█".repeat(full)}${"░".repeat(barsize - full)} ${amount(value)} of ${amount(of)}${unit === "prompts" ? this.#pace.text(value, of) : ""}`;
      },
    });
    this.#bar.start(total, done);
  }
}

/** How fast a phase goes, from where it began. */
class Pace {
  readonly #first: number;
  readonly #began = Date.now();

  constructor(first: number) {
    this.#first = first;
  }

  text(done: number, total: number): string {
    const perSecond = (done - this.#first) / ((Date.now() - this.#began) / 1000);
    if (!(perSecond > 0) || !Number.isFinite(perSecond)) return "";
    const rate = perSecond >= 1 ? `${perSecond.toFixed(1)} per second` : `${(60 * perSecond).toFixed(1)} per minute`;
    return `, ${rate}, ${duration((total - done) / perSecond)} left`;
  }
}

function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes === 0) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
