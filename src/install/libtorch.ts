import { existsSync } from "node:fs";
import { join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { inspectLibtorch, type Libtorch } from "./layout.js";
import { remember, remembered } from "./memory.js";
import { cacheDirectory } from "./paths.js";
import { probePython, pythonCandidates } from "./python.js";
import { LIBTORCH_VERSION } from "./versions.js";

/** Result of a search: the first that serves, and what was passed over with the reason, in order. */
export interface LibtorchSearch {
  found: Libtorch | undefined;
  tried: string[];
}

/** Where this package keeps a libtorch it fetched. */
export function libtorchCache(): string {
  return join(cacheDirectory(), `libtorch-${LIBTORCH_VERSION}`);
}

/**
 * Looks for libtorch: the folder in `LIBTORCH`, a Python torch of the same version, this package's cache. Loads nothing.
 * Python is started only where `ask` is set, or where the cache holds nothing and no earlier start found a torch.
 */
export function findLibtorch(options: { ask?: boolean } = {}): LibtorchSearch {
  const tried: string[] = [];
  const take = (folder: string, source: Libtorch["source"], name: string): Libtorch | undefined => {
    const result = inspectLibtorch(folder, source);
    if (typeof result !== "string") return result;
    tried.push(`${name}: ${folder} ${result}`);
    return undefined;
  };

  const given = process.env.LIBTORCH;
  if (given) {
    const found = take(given, "LIBTORCH", "LIBTORCH");
    if (found) return { found, tried };
  } else {
    const earlier = remembered("LIBTORCH");
    const found = earlier ? take(earlier, "LIBTORCH", "LIBTORCH when this package was installed") : undefined;
    if (found) return { found, tried };
    if (!earlier) tried.push("LIBTORCH: not set");
  }

  const cached = inspectLibtorch(libtorchCache(), "cache");
  const pythons = pythonCandidates();
  if (pythons.length === 0) tried.push("Python: no python3 or python on the PATH");
  for (const path of pythons) {
    const folder = torchOf(path, options.ask ? "always" : typeof cached === "string" ? "unknown" : "never");
    const found = folder ? take(folder, "python", `Python ${path}`) : undefined;
    if (found) return { found, tried };
    if (!folder) tried.push(`Python ${path}: ${folder === null ? "has no torch" : "not asked"}`);
  }

  if (typeof cached !== "string") return { found: cached, tried };
  tried.push(`cache: ${libtorchCache()} ${cached}`);
  return { found: undefined, tried };
}

/** Folder of an interpreter's torch; null where it has none; undefined where it was not asked. `ask`: when to start it. */
function torchOf(path: string, ask: "always" | "unknown" | "never"): string | null | undefined {
  const earlier = remembered(path);
  if (ask !== "always" && typeof earlier === "string" && existsSync(earlier)) return earlier;
  if (ask === "never") return earlier === null ? null : undefined;
  const torch = probePython(path)?.torch ?? null;
  remember(path, torch);
  return torch;
}

/** The error for a search that found nothing: all that was tried, and what to do. */
export function libtorchError(tried: readonly string[], cause?: unknown): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_LIBTORCH",
    `libtorch ${LIBTORCH_VERSION} was not found. Tried:\n${tried.map((line) => `  - ${line}`).join("\n")}`,
    {
      hint:
        "Run `npm rebuild tokenlense-native` (in a clone: `npm install`), which fetches libtorch; or set LIBTORCH to the folder of a " +
        `libtorch ${LIBTORCH_VERSION} (the one that holds lib/); or \`pip install torch==${LIBTORCH_VERSION}\` in the Python on your PATH.`,
      cause,
    },
  );
}
