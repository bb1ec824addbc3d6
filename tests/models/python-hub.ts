import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDirectory } from "../../src/install/paths.js";
import { probePython, pythonCandidates } from "../../src/install/python.js";

const REQUIREMENT = "huggingface_hub==2.4.0";

/** A Python and the folder of packages with the pinned huggingface_hub, which is made in the cache at the first call (7 MB). */
export function pythonHub(): { executable: string; packages: string } {
  const found = pythonCandidates().find((candidate) => probePython(candidate)?.pip);
  if (found === undefined) throw new Error("No Python with pip is on the PATH.");
  // The interpreter itself: what is on the PATH may be a shell script, and a test may empty the PATH.
  const ask = ["-c", "import sys; print(sys.executable)"];
  const executable = execFileSync(found, ask, { encoding: "utf8" }).trim();
  const packages = join(cacheDirectory(), REQUIREMENT.replace("==", "-"));
  if (existsSync(packages)) return { executable, packages };
  const temporary = `${packages}.${process.pid}.tmp`;
  mkdirSync(dirname(packages), { recursive: true });
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  execFileSync(executable, ["-m", "pip", "install", ...quiet, "--target", temporary, REQUIREMENT], {
    stdio: "inherit",
  });
  renameSync(temporary, packages);
  rmSync(temporary, { recursive: true, force: true });
  return { executable, packages };
}
