import type { Dtype } from "./contract.js";

/** What loading a model is at: called as work goes on, at least once per phase. */
export interface LoadProgress {
  /** "wait" for another process that makes the same cache entry, "download", "verify", "build", "load". */
  phase: "wait" | "download" | "verify" | "build" | "load";
  done: number;
  /** 0 where it is not known. */
  total: number;
  unit?: "bytes" | "steps";
}

export interface LoadOptions {
  /** Work stops at the next block, and the call rejects with ERR_TOKENLENSE_CANCELLED. */
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

export interface BuildOptions extends LoadOptions {
  /**
   * What weight matrices are kept in, on disk and in memory, where the archive is built here. All work is float32 whichever it is: half
   * the memory, at the weights' rounding, which for a checkpoint of that dtype is none. Default "float32".
   */
  dtype?: Dtype | undefined;
}
