import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { TokenlenseError } from "../errors.js";

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
  found.push(...onPath(windows ? ["python3.exe", "python.exe"] : ["python3", "python"]));
  return [...new Set(found)].filter(executable);
}

/** The first file of each name on the PATH. */
function onPath(names: string[]): string[] {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name)).find(executable) ?? []);
}

/** Minor versions of Python 3, both included. */
export interface PythonRange {
  lowest: number;
  highest: number;
}

/**
 * An interpreter of one of these versions: the one that is named, else the first found that is.
 * @throws ERR_TOKENLENSE_PYTHON
 */
export function findPython({ lowest, highest }: PythonRange, named?: string): Python {
  const minors = Array.from({ length: highest - lowest + 1 }, (_, i) => highest - i);
  const wanted = lowest === highest ? `Python 3.${lowest}` : `Python 3.${lowest} to 3.${highest}`;
  const hint = `Install ${wanted}, or activate an environment that has it.`;
  const passedOver: string[] = [];
  const candidates = function* () {
    yield* pythonCandidates();
    yield* onPath(minors.map((minor) => `python3.${minor}`));
  };
  for (const path of named === undefined ? candidates() : [named]) {
    const python = probePython(path);
    if (python?.version[0] === 3 && minors.includes(python.version[1])) return python;
    passedOver.push(`${path} ${python ? `is ${python.version.join(".")}` : "does not run"}`);
  }
  const seen = passedOver.length > 0 ? passedOver.join(", ") : "there is no Python on the PATH";
  throw new TokenlenseError("ERR_TOKENLENSE_PYTHON", `${wanted} is needed, and ${seen}.`, { hint });
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
