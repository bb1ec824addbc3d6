import { execFileSync } from "node:child_process";
import { probePython, pythonCandidates } from "../../src/install/python.js";
import { pythonPackages } from "../python-packages.js";

const REQUIREMENT = "huggingface_hub==2.4.0";

/** A Python and the folder of packages with the pinned huggingface_hub, which is made in the cache at the first call (7 MB). */
export function pythonHub(): { executable: string; packages: string } {
  const found = pythonCandidates().find((candidate) => probePython(candidate)?.pip);
  if (found === undefined) throw new Error("No Python with pip is on the PATH.");
  // The interpreter itself: what is on the PATH may be a shell script, and a test may empty the PATH.
  const ask = ["-c", "import sys; print(sys.executable)"];
  const executable = execFileSync(found, ask, { encoding: "utf8" }).trim();
  return { executable, packages: pythonPackages(executable, REQUIREMENT.replace("==", "-"), [REQUIREMENT]) };
}
