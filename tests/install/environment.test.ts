import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentPython, pythonEnvironment } from "../../src/install/environment.js";
import { cacheDirectory } from "../../src/install/paths.js";
import type { Progress } from "../../src/install/progress.js";
import { findPython } from "../../src/install/python.js";
import { isolated, write } from "./temporary.js";

const test = isolated();
const silent: Progress = { line() {}, bar: () => ({ update() {}, stop() {} }) };
const REAL_PYTHON = execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
const ANY = { lowest: 8, highest: 40 };

function script(path: string, text: string): void {
  write(path, `#!/bin/sh\n${text}`);
  chmodSync(path, 0o755);
}

/** A python3 that makes environments with a pip that writes down how it was called, and fails for versions called bad. */
function fakePython(): () => string[] {
  const calls = join(test.folder, "calls");
  write(calls);
  const inner = `[ "$1" = -m ] || exec '${REAL_PYTHON}' "$@"
for last; do :; done
echo "$last" >> '${calls}'
case "$last" in *bad) echo "ERROR: No matching distribution found for $last" >&2; exit 1;; */slow*) exec /bin/sleep 60;; esac
`;
  script(join(test.folder, "inner"), inner);
  script(
    join(test.folder, "bin/python3"),
    `[ "$1" = -m ] || exec '${REAL_PYTHON}' "$@"
[ "$2" = venv ] || exit 1
echo venv >> '${calls}'
/bin/mkdir -p "$3/bin" && /bin/cp '${join(test.folder, "inner")}' "$3/bin/python"
`,
  );
  return () => readFileSync(calls, "utf8").split("\n").filter(Boolean);
}

function requirements(text: string): string {
  const file = join(test.folder, "requirements.txt");
  write(file, text);
  return file;
}

const make = (text: string, signal?: AbortSignal) =>
  pythonEnvironment({
    ...{
      name: "test-venv",
      requirements: requirements(text),
      python: findPython(ANY),
      compile: false,
      progress: silent,
    },
    ...(signal && { signal }),
  });

describe("a Python environment", () => {
  it("is made once, however many ask, torch first; and anew for other requirements, or where it was left half-made", async () => {
    const calls = fakePython();
    const file = join(test.folder, "requirements.txt");
    const folders = await Promise.all([make("torch==1\nother==2\n"), make("torch==1\nother==2\n")]);
    expect(folders[0]).toBe(folders[1]);
    const once = ["venv", "torch==1", file];
    expect(calls()).toEqual(once);
    rmSync(join(folders[0] as string, "complete"));
    expect(await make("torch==1\nother==2\n")).toBe(folders[0]);
    expect(calls()).toEqual([...once, ...once]);
    const other = await make("torch==1\nother==3\n");
    expect(other).not.toBe(folders[0]);
    expect(existsSync(environmentPython(other))).toBe(true);
  });

  it("is not there where pip failed, and says what pip said", async () => {
    fakePython();
    await expect(make("other==1\n")).rejects.toThrow("does not pin torch");
    await expect(make("torch==bad\n")).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_DOWNLOAD",
      message: "pip install torch==bad failed: No matching distribution found for torch==bad",
      hint: expect.stringContaining("test-venv.log"),
    });
  });

  it("stops with its signal, pip too", async () => {
    const calls = fakePython();
    const file = join(test.folder, "bin/slow-requirements");
    write(file, "torch==1\n");
    const controller = new AbortController();
    const bar: Progress["bar"] = (name) => {
      if (name.includes("slow")) setTimeout(() => controller.abort(), 200);
      return silent.bar(name, "bytes");
    };
    const options = {
      name: "test-venv",
      requirements: file,
      python: findPython(ANY),
      compile: false,
      signal: controller.signal,
    };
    await expect(pythonEnvironment({ ...options, progress: { ...silent, bar } })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_CANCELLED",
    });
    expect(calls()).toEqual(["venv", "torch==1", file]);
    const made = readdirSync(cacheDirectory()).filter((name) => existsSync(join(cacheDirectory(), name, "complete")));
    expect(made).toEqual([]);
  });
});

describe("findPython", () => {
  it("says what it passed over", () => {
    expect(() => findPython(ANY)).toThrow("and there is no Python on the PATH");
    fakePython();
    expect(() => findPython({ lowest: 2, highest: 2 })).toThrow(/Python 3\.2 is needed, and .*bin\/python3 is 3\.\d+/);
    expect(() => findPython(ANY, "/no/python")).toThrow("/no/python does not run");
  });

  it("takes a versioned name where python3 is another version", () => {
    fakePython();
    const { version } = findPython(ANY);
    const named = join(test.folder, `bin/python3.${version[1]}`);
    script(named, `exec '${REAL_PYTHON}' "$@"\n`);
    script(join(test.folder, "bin/python3"), "exit 1\n");
    expect(findPython({ lowest: version[1], highest: version[1] })).toMatchObject({ executable: named, version });
  });
});
