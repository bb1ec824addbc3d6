import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { writeGguf } from "./models/gguf-writer.js";
import { type TinyOptions, tinyLlama, writeTinyLlama } from "./models/tiny.js";

/** A folder for one test file, which is also its cache of models; gone when the file is through. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-"));
  process.env.TOKENLENSE_CACHE = join(folder, "cache");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A small random Llama as a GGUF file; its context holds 96 tokens. */
export function writeTinyModel(folder: string, options: Partial<TinyOptions> = {}): string {
  const path = join(folder, "tiny.gguf");
  writeTinyLlama(path, { ...tinyOptions, ...options });
  return path;
}

/** The same with weights so large that its logits overflow. */
export function writeBrokenModel(folder: string): string {
  const path = join(folder, "broken.gguf");
  const { gguf } = tinyLlama(tinyOptions);
  const norm = gguf.tensors.find(({ name }) => name === "output_norm.weight");
  norm?.bytes.set(new Uint8Array(new Float32Array(tinyOptions.width).fill(3e38).buffer));
  writeGguf(path, gguf);
  return path;
}

export const tinyOptions: TinyOptions = {
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  width: 32,
  hidden: 48,
  vocabulary: 320,
  context: 96,
  encoding: "F32",
  seed: 7,
};
