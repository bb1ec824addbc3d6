import { readFileSync, writeFileSync } from "node:fs";

/** Bytes resident now, and the most since the last reset; null where the system is not Linux. */
export function resident(field: "VmRSS" | "VmHWM"): number | null {
  try {
    const line = readFileSync("/proc/self/status", "utf8").match(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m"));
    return line ? Number(line[1]) * 1024 : null;
  } catch {
    return null;
  }
}

export function resetPeakMemory(): void {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Not Linux, or not allowed: the peak is that of the whole process then.
  }
}
