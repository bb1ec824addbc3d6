import { join } from "node:path";
import { environmentPython, pythonEnvironment } from "../src/install/environment.js";
import { packageRoot } from "../src/install/package.js";
import { terminalProgress } from "../src/install/progress.js";
import { findPython } from "../src/install/python.js";
import { KNOWN_MODELS, obtain } from "../src/models/sources.js";

export const MODEL = "smollm2-135m-instruct";
/** The version that the peer's packages are pinned for. */
const PYTHON = { lowest: 11, highest: 11 };

export interface PeerEnvironment {
  /** Interpreter that imports Inseq. */
  python: string;
  /** `inseq`, its command line. */
  inseq: string;
  /** The worker. */
  script: string;
  gguf: string;
}

/** The pinned peer in a virtual environment of its own, in the cache. */
export async function preparePeer(): Promise<PeerEnvironment> {
  const folder = await pythonEnvironment({
    name: "peer-venv",
    requirements: join(packageRoot(), "bench/peer/requirements.txt"),
    python: findPython(PYTHON),
    compile: true, // the peer's start is timed
    progress: terminalProgress(),
  });
  const known = KNOWN_MODELS[MODEL];
  if (!known) throw new Error(`${MODEL} is not known`);
  return {
    python: environmentPython(folder),
    inseq: join(folder, "bin/inseq"),
    script: join(packageRoot(), "bench/peer/peer.py"),
    gguf: await obtain(MODEL, known),
  };
}
