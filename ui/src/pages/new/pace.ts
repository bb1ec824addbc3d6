import { useRef } from "react";
import type { JobView } from "../../api/jobs.js";

export interface Pace {
  /** Units a second. */
  rate: number;
  /** Seconds. */
  left: number;
}

/** How fast the phase at hand goes, from where it was first seen; undefined where that cannot be told yet. */
export function usePace(progress: JobView["progress"]): Pace | undefined {
  const first = useRef<{ phase: string; done: number; at: number } | undefined>(undefined);
  if (!progress) {
    first.current = undefined;
    return undefined;
  }
  const { phase, done, total } = progress;
  const now = performance.now();
  const began = first.current;
  if (began?.phase !== phase || done < began.done) {
    first.current = { phase, done, at: now };
    return undefined;
  }
  const rate = (done - began.done) / ((now - began.at) / 1000);
  return rate > 0 && Number.isFinite(rate) && total > 0 ? { rate, left: (total - done) / rate } : undefined;
}
