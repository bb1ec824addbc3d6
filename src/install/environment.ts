import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { CommandError, runLogged } from "./command.js";
import { withLock } from "./lock.js";
import { cacheDirectory } from "./paths.js";
import { pipError, pipInstall } from "./pip.js";
import type { Progress } from "./progress.js";
import { type Python, probePython } from "./python.js";

export interface EnvironmentOptions {
  /** Of its folder in the cache: `<name>-<digest of the requirements>`. */
  name: string;
  /** A file that pins every package; torch is among them. */
  requirements: string;
  /** What the environment is made from. */
  python: Python;
  /** Compile every module now, which takes longer than installing them; else Python compiles each at its first import. */
  compile: boolean;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * The folder of a virtual environment with pinned packages, made at the first call and once for all processes. One without the
 * file `complete` was left half-made, and is made anew.
 * @throws ERR_TOKENLENSE_PYTHON where this Python makes no environments, ERR_TOKENLENSE_DOWNLOAD where pip fails, _DISK, _CANCELLED
 */
export async function pythonEnvironment(options: EnvironmentOptions): Promise<string> {
  const text = await readFile(options.requirements, "utf8");
  const folder = join(
    cacheDirectory(),
    `${options.name}-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`,
  );
  const usable = () => existsSync(join(folder, "complete")) && existsSync(environmentPython(folder));
  const { progress, signal } = options;
  const waiting = () => progress.line("waiting for another process that makes the same environment");
  const make = async () => {
    if (!usable()) await makeEnvironment(folder, text, options);
  };
  if (!usable()) await withLock(`${folder}.lock`, make, waiting, signal);
  return folder;
}

/** The interpreter of a virtual environment. */
export function environmentPython(folder: string): string {
  return join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
}

async function makeEnvironment(folder: string, text: string, options: EnvironmentOptions): Promise<void> {
  const { python, compile, progress, signal, requirements } = options;
  const torch = text.match(/^torch==\S+$/m)?.[0];
  if (torch === undefined) throw new Error(`${requirements} does not pin torch`);
  const log = join(cacheDirectory(), "logs", `${options.name}.log`);
  progress.line(`making a Python environment in ${folder}: some minutes, about 1.3 GB`);
  await rm(folder, { recursive: true, force: true });
  try {
    await runLogged(python.executable, ["-m", "venv", folder], { log, signal });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new TokenlenseError("ERR_TOKENLENSE_PYTHON", `${python.executable} made no environment: ${error.message}.`, {
      hint: `Its venv module may be missing (Debian: apt install python3-venv). All that it said is in ${log}.`,
      cause: error,
    });
  }
  const own = probePython(environmentPython(folder));
  if (!own?.pip) throw new TokenlenseError("ERR_TOKENLENSE_PYTHON", `The environment in ${folder} has no pip.`);
  for (const [what, ...args] of [
    [torch, torch],
    [basename(requirements), "-r", requirements],
  ] as const) {
    const bar = progress.bar(`pip install ${what}`, "bytes");
    try {
      await pipInstall(own, compile ? args : ["--no-compile", ...args], bar, { log, signal });
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const message = `pip install ${args.join(" ")} failed: ${pipError(error)}`;
      throw new TokenlenseError("ERR_TOKENLENSE_DOWNLOAD", message, {
        hint: `All that pip said is in ${log}. Packages come from the index that pip is set to; once made, the environment is kept.`,
        cause: error,
      });
    } finally {
      bar.stop();
    }
  }
  await writeFile(join(folder, "complete"), "");
}
