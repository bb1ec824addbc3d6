import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { Attribution } from "../../src/result.js";
import { example } from "../example.js";

/** A new folder for each test of a file, which is gone after it. */
export function eachFolder(): () => string {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  return () => folder;
}

export const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });

/** Where the scores of a document lie. */
export const beside = (file: string): string => file.replace(/json$/, "safetensors");

/** A prompt token and an output with the scores of two layers each, which lie beside the document. */
export function layered(...scores: number[]): Attribution {
  return example(["a"], ["b"], undefined, {
    shape: [2, 1, 2],
    dimensions: ["layer"],
    scores: Float32Array.from({ length: 4 }, (_, i) => scores[i] ?? 0),
  });
}
