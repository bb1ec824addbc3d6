import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withLock } from "../src/install/lock.js";
import { cacheDirectory, packageRoot } from "../src/install/paths.js";
import { probePython, pythonCandidates } from "../src/install/python.js";
import { KNOWN_MODELS, obtain } from "../src/models/sources.js";

export const MODEL = "smollm2-135m-instruct";
const PYTHON = [3, 11] as const;

export interface PeerEnvironment {
  /** Interpreter that imports Inseq. */
  python: string;
  /** `inseq`, its command line. */
  inseq: string;
  /** The worker. */
  script: string;
  gguf: string;
}

/**
 * The pinned peer in a virtual environment of its own, in the cache, made at the first call. The folder's name holds the
 * digest of requirements.txt; one without the file `complete` was left half-made and is made anew.
 */
export async function preparePeer(): Promise<PeerEnvironment> {
  const requirements = join(packageRoot(), "bench/peer/requirements.txt");
  const text = await readFile(requirements, "utf8");
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const folder = join(cacheDirectory(), `peer-venv-${digest}`);
  const python = join(folder, "bin/python");
  const complete = join(folder, "complete");
  const torch = text.match(/^torch==\S+$/m)?.[0];
  if (torch === undefined) throw new Error(`${requirements} does not pin torch`);

  await withLock(`${folder}.lock`, async () => {
    if (existsSync(complete)) return;
    console.error(`Making the peer's environment in ${folder} (some minutes, 1.3 GB)`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await command(findPython(), ["-m", "venv", folder]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    await command(python, [...pip, torch]);
    await command(python, [...pip, "-r", requirements]);
    await command(python, ["-m", "pip", "check", "--disable-pip-version-check"]);
    await writeFile(complete, "");
  });
  const known = KNOWN_MODELS[MODEL];
  if (!known) throw new Error(`${MODEL} is not known`);
  return {
    python,
    inseq: join(folder, "bin/inseq"),
    script: join(packageRoot(), "bench/peer/peer.py"),
    gguf: await obtain(MODEL, known),
  };
}

function findPython(): string {
  const [major, minor] = PYTHON;
  for (const path of [`python${major}.${minor}`, ...pythonCandidates()]) {
    const version = probePython(path)?.version;
    if (version?.[0] === major && version[1] === minor) return path;
  }
  throw new Error(
    `The peer is pinned for Python ${major}.${minor}, and there is none on the PATH. Install it, or activate one.`,
  );
}

async function command(program: string, args: string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", 2, 2] });
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}`);
}
