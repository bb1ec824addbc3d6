import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** An interpreter and what it knows of torch. */
export interface Python {
  executable: string;
  version: [number, number];
  /** Folder of the torch package it would import; null where it has none. */
  torch: string | null;
  /** Version of its pip; null where it has none. */
  pip: string | null;
}

// Finds torch without importing it. The working directory leaves the search path first: a folder named `torch` there is not it.
const PROBE = `
import sys
sys.path = [p for p in sys.path if p]
import importlib.metadata, importlib.util, json, os
spec = importlib.util.find_spec("torch")
torch = os.path.dirname(os.path.realpath(spec.origin)) if spec and spec.origin else None
pip = importlib.metadata.version("pip") if importlib.util.find_spec("pip") else None
print(json.dumps({"version": sys.version_info[:2], "torch": torch, "pip": pip}))
`;

/** The interpreters a user would mean: of the active virtual environment, then python3 and python on the PATH. */
export function pythonCandidates(): string[] {
  const windows = process.platform === "win32";
  const found: string[] = [];
  const environment = process.env.VIRTUAL_ENV;
  if (environment) found.push(join(environment, windows ? "Scripts/python.exe" : "bin/python"));
  for (const name of windows ? ["python3.exe", "python.exe"] : ["python3", "python"])
    for (const folder of (process.env.PATH ?? "").split(delimiter))
      if (folder && executable(join(folder, name))) {
        found.push(join(folder, name));
        break;
      }
  return [...new Set(found)].filter(executable);
}

/** Asks an interpreter; undefined where it does not run. Takes about 0.1 s. */
export function probePython(path: string): Python | undefined {
  const run = spawnSync(path, ["-c", PROBE], {
    encoding: "utf8",
    timeout: 30_000,
    windowsHide: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (run.status !== 0) return undefined;
  try {
    const answer = JSON.parse(run.stdout) as Omit<Python, "executable">;
    return { executable: path, ...answer };
  } catch {
    return undefined;
  }
}

function executable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
