import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDirectory } from "../src/install/paths.js";

/** A folder of packages, to be put on PYTHONPATH; pip makes it in the cache at the first call. */
export function pythonPackages(executable: string, name: string, pipArguments: readonly string[]): string {
  const packages = join(cacheDirectory(), name);
  if (existsSync(packages)) return packages;
  const temporary = `${packages}.${process.pid}.tmp`;
  mkdirSync(dirname(packages), { recursive: true });
  const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
  execFileSync(executable, ["-m", "pip", "install", ...quiet, "--target", temporary, ...pipArguments], {
    stdio: "inherit",
  });
  renameSync(temporary, packages);
  rmSync(temporary, { recursive: true, force: true });
  return packages;
}
