import { fileURLToPath } from "node:url";
import type { EngineAbout } from "./engine.js";
import type { PeerEnvironment } from "./environment.js";
import { Worker } from "./worker.js";

export interface PeerAbout {
  versions: Record<string, string>;
  threads: number;
  capability: string;
  attention: string;
  gguf: { file: string; sha256: string };
}

/** Ours, in a process of its own. @param threads of arithmetic; undefined: what libtorch chooses. */
export function startEngine(threads?: number): Worker<EngineAbout> {
  const env = threads === undefined ? process.env : { ...process.env, OMP_NUM_THREADS: String(threads) };
  return new Worker(process.execPath, [fileURLToPath(new URL("./engine.js", import.meta.url))], env);
}

export function startPeer({ python, script, gguf }: PeerEnvironment, threads: number): Worker<PeerAbout> {
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  return new Worker(python, [script, "--gguf", gguf, "--threads", String(threads)], env);
}
