import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/install/package.js";
import { terminalProgress } from "../../src/install/progress.js";
import { exporterPython } from "../../src/models/exporter.js";
import { pythonPackages } from "../python-packages.js";

/** What Inseq imports and the exporter's environment lacks. */
const NAMES = [
  ...["inseq", "captum", "jaxtyping", "wadler_lindig", "treescope", "typeguard", "matplotlib", "contourpy"],
  ...["cycler", "fonttools", "kiwisolver", "pillow", "pyparsing", "python-dateutil"],
];

/**
 * Runs inseq_files.py by Inseq as the benchmark's environment pins it. It stands on the exporter's environment, which has
 * torch and transformers, so that only 60 MB more are installed.
 * @returns what it prints, JSON.
 */
export async function inseqPython(): Promise<(...args: string[]) => unknown> {
  const executable = await exporterPython({ progress: terminalProgress() });
  const pinned = readFileSync(join(packageRoot(), "bench/peer/requirements.txt"), "utf8").split("\n");
  const requirements = NAMES.map((name) => pinned.find((line) => line.startsWith(`${name}==`)) as string);
  const digest = createHash("sha256")
    .update(`${executable}\n${requirements.join("\n")}`)
    .digest("hex");
  const packages = pythonPackages(executable, `inseq-${digest.slice(0, 12)}`, ["--no-deps", ...requirements]);
  const script = fileURLToPath(new URL("inseq_files.py", import.meta.url));
  const { PYTHONDONTWRITEBYTECODE: _, ...own } = process.env;
  const env = { ...own, PYTHONPATH: packages, OMP_NUM_THREADS: "1", HF_HUB_OFFLINE: "1" };
  return (...args) =>
    JSON.parse(execFileSync(executable, [script, ...args], { encoding: "utf8", env, maxBuffer: 2 ** 28 }));
}
