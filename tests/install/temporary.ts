import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, vi } from "vitest";
import { libraryName } from "../../src/install/layout.js";

/** A folder of each test's own, which is also the package's cache; nothing of the machine's libtorch or Python is seen. */
export function isolated(): { folder: string } {
  const test = { folder: "" };
  beforeEach(() => {
    test.folder = mkdtempSync(join(tmpdir(), "tokenlense-test-"));
    vi.stubEnv("TOKENLENSE_CACHE", join(test.folder, "cache"));
    vi.stubEnv("LIBTORCH", undefined);
    vi.stubEnv("VIRTUAL_ENV", undefined);
    vi.stubEnv("PATH", join(test.folder, "bin"));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(test.folder, { recursive: true, force: true });
  });
  return test;
}

export function write(file: string, text = ""): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Files that look like a libtorch; none of them is a library. */
export function fakeLibtorch(root: string, more: Record<string, string> = {}): string {
  for (const name of ["c10", "torch_cpu"]) write(join(root, "lib", libraryName(name)));
  for (const [file, text] of Object.entries(more)) write(join(root, file), text);
  return root;
}
