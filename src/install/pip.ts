import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { belongsToLibtorch } from "./archive.js";
import { CommandError, type CommandOptions, runLogged } from "./command.js";
import type { Bar, Progress } from "./progress.js";
import { type Python, probePython, pythonCandidates } from "./python.js";
import { LIBTORCH_VERSION } from "./versions.js";

/** CPython minor versions that PyTorch has wheels for. The libraries do not depend on it; pip's choice of a wheel does. */
const WHEELS_FOR = { lowest: 10, highest: 14, default: "3.12" };

interface Attempt {
  requirement: string;
  args: string[];
  /** Said before it starts. */
  notice: string;
}

function attempts(python: Python): Attempt[] {
  const [major, minor] = python.version;
  const served = major === 3 && minor >= WHEELS_FOR.lowest && minor <= WHEELS_FOR.highest;
  const common = ["--only-binary=:all:", ...(served ? [] : ["--python-version", WHEELS_FOR.default])];
  const plain = `torch==${LIBTORCH_VERSION}`;
  if (process.platform !== "linux")
    return [{ requirement: plain, args: [...common, "--no-deps"], notice: `pip install ${plain}` }];
  const cpu = `${plain}+cpu`;
  return [
    { requirement: cpu, args: [...common, "--no-deps"], notice: `pip install ${cpu}` },
    {
      // PyPI's own Linux build is the CUDA one, whose CPU library needs NVIDIA's libraries too; so with dependencies.
      requirement: plain,
      args: common,
      notice: `pip install ${plain}; no CPU build is offered, and where this is the CUDA build it is about 2.7 GB to download`,
    },
  ];
}

/**
 * Installs torch's wheel with pip, which verifies it against its index, and keeps the libtorch in it.
 * @param folder an empty folder; gets `torch/lib`, `torch/include` and, for CUDA builds, `nvidia/`.
 * @throws ERR_TOKENLENSE_DOWNLOAD with what each interpreter said.
 */
export async function pipLibtorch(folder: string, log: string, progress: Progress): Promise<void> {
  const failures: string[] = [];
  for (const path of pythonCandidates()) {
    const python = probePython(path);
    if (!python?.pip) {
      failures.push(`${path}: ${python ? "has no pip" : "does not run"}`);
      continue;
    }
    for (const { requirement, args, notice } of attempts(python)) {
      const bar = progress.bar(notice, "bytes");
      const target = join(folder, "pip");
      try {
        await pipInstall(python, ["--target", target, "--no-compile", ...args, requirement], bar, { log });
        await keepLibtorch(target, folder);
        return;
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        failures.push(`${path}: pip install ${requirement}: ${pipError(error)} (all of it in ${log})`);
      } finally {
        bar.stop();
        await rm(target, { recursive: true, force: true });
      }
    }
  }
  if (failures.length === 0) failures.push("no python3 or python on the PATH");
  throw new TokenlenseError("ERR_TOKENLENSE_DOWNLOAD", failures.join("; "));
}

/** `pip install`, with the bytes of each download on the bar. @throws CommandError, ERR_TOKENLENSE_CANCELLED */
export async function pipInstall(
  { executable, pip }: Python,
  args: readonly string[],
  bar: Bar,
  options: Pick<CommandOptions, "log" | "signal">,
): Promise<void> {
  const common = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
  if (Number.parseFloat(pip ?? "") >= 24.1) common.push("--progress-bar", "raw");
  await runLogged(executable, [...common, ...args], {
    ...options,
    // Settings that do not go with --target or a virtual environment.
    env: { ...process.env, PIP_USER: "0", PIP_REQUIRE_VIRTUALENV: "0" },
    onLine: (line) => {
      const [, done, total] = line.match(/^Progress (\d+) of (\d+)/) ?? [];
      if (total !== undefined) bar.update(Number(done), Number(total));
    },
  });
}

/** What pip said went wrong. */
export function pipError(error: CommandError): string {
  const lines = error.tail.split("\n").filter((line) => line.startsWith("ERROR:"));
  return lines.at(-1)?.replace(/^ERROR:\s*/, "") ?? error.message;
}

/** Moves the C++ half out of an installation; the rest is Python and a third of the size. */
async function keepLibtorch(from: string, to: string): Promise<void> {
  await mkdir(join(to, "torch"), { recursive: true });
  for (const name of await readdir(from))
    if (name === "nvidia" || /^(torch|nvidia_.*)-[^-]+\.dist-info$/.test(name))
      await rename(join(from, name), join(to, name));
  for (const name of ["lib", "include", "version.py"]) await rename(join(from, "torch", name), join(to, "torch", name));
  for (const name of await readdir(join(to, "torch/lib")))
    if (!belongsToLibtorch(`torch/lib/${name}`)) await rm(join(to, "torch/lib", name), { recursive: true });
}
