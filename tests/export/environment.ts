import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, vi } from "vitest";
import { terminalProgress } from "../../src/install/progress.js";
import { exporterPython } from "../../src/models/exporter.js";

export interface ExportTest {
  /** Of the test file's own, gone when it is through. */
  folder: string;
  /** Runs a script of this folder, or of python/, by the exporter's Python. */
  python(script: string, ...args: string[]): void;
}

/** The exporter's own environment, made where it is not yet in the cache. */
export function exportTest(): ExportTest {
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-export-"));
  let interpreter = "";
  vi.stubEnv("OMP_NUM_THREADS", "1"); // models are so small that threads would only wait for one another
  beforeAll(async () => {
    interpreter = await exporterPython({ progress: terminalProgress() });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    python(script, ...args) {
      const path = fileURLToPath(new URL(script, import.meta.url));
      const { PYTHONDONTWRITEBYTECODE: _, ...env } = process.env;
      const run = spawnSync(interpreter, [path, ...args], { encoding: "utf8", env });
      if (run.status !== 0) throw new Error(`${script} ${args.join(" ")}: ${run.stderr}`);
    },
  };
}
