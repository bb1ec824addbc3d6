import { resetPeakMemory, resident } from "./resident.js";

const INTERVAL = 20;

/** Follows this process's resident memory: its peak since the last reset, and whether it goes over a limit. */
export class MemoryWatch {
  #sampled = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `onOver` is called once, with the bytes that were found; the work of the engine does not hold it up. */
  constructor(limit: number | undefined, onOver: (bytes: number) => void) {
    this.#timer = setInterval(() => {
      const bytes = process.memoryUsage.rss();
      this.#sampled = Math.max(this.#sampled, bytes);
      if (limit === undefined || bytes <= limit) return;
      clearInterval(this.#timer);
      onOver(bytes);
    }, INTERVAL).unref();
  }

  reset(): void {
    this.#sampled = process.memoryUsage.rss();
    resetPeakMemory(); // the kernel's own mark of the peak, so that none is missed
  }

  /** Bytes. On Linux the kernel's own figure, elsewhere the largest of samples. */
  peak(): number {
    this.#sampled = Math.max(this.#sampled, process.memoryUsage.rss());
    return Math.max(resident("VmHWM") ?? 0, this.#sampled);
  }
}
