import { open, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TokenlenseError } from "../errors.js";
import { sha256 } from "../models/digest.js";
import { readSafetensors, safetensorsHeader } from "../models/safetensors.js";
import type { Attribution } from "../result.js";
import { reason } from "./files.js";
import type { SideFile } from "./schema.js";

/** An attribution's scores as they are, with all their dimensions. */
export type WholeScores = Pick<Attribution, "scores" | "shape" | "dimensions">;

/** What a side file holds: the scores' copy, as that of a result may go while they are written. */
export function scoresFile({ scores, shape }: Pick<Attribution, "scores" | "shape">): Uint8Array[] {
  const header = safetensorsHeader({ scores: shape }, { format: "tokenlense-native" });
  return [header, new Uint8Array(scores.slice().buffer)];
}

/** Which of a result's numbers is NaN or infinite, in words; undefined where none is. JSON has no such numbers. */
export function nonFinite({ scores, stepScores, convergenceDeltas }: Attribution): string | undefined {
  const named = { ...stepScores, scores, ...(convergenceDeltas && { "convergence deltas": convergenceDeltas }) };
  for (const [name, values] of Object.entries(named)) {
    const wrong = values.find((value) => !Number.isFinite(value));
    if (wrong !== undefined) return `${wrong} in its ${name}`;
  }
  return undefined;
}

/**
 * Where the side file of a document lies.
 * @param file The document's path.
 * @throws ERR_TOKENLENSE_FILE where there is none, ERR_TOKENLENSE_FORMAT where it is of another size.
 */
export async function locateScores(side: SideFile, file: string): Promise<string> {
  const path = join(dirname(file), side.file);
  const { size } = await stat(path).catch((cause: unknown) => {
    const message = `${path}, which holds the scores of ${file}, cannot be read: ${reason(cause)}`;
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", message, {
      hint: "A result's .json and .safetensors files belong together: copy both, under their names.",
      cause,
    });
  });
  if (size !== side.bytes) throw wrong(path, file, `it has ${size} bytes in place of ${side.bytes}`);
  return path;
}

/**
 * The scores that lie beside a document of so many tokens and outputs.
 * @throws {@link locateScores}'s, and ERR_TOKENLENSE_FORMAT where they are not those that were stored with it.
 */
export async function readScores(
  side: SideFile,
  file: string,
  [sequence, outputs]: readonly [sequence: number, outputs: number],
): Promise<WholeScores> {
  const path = await locateScores(side, file);
  const digest = await sha256(path);
  if (digest !== side.sha256) throw wrong(path, file, `its SHA-256 is ${digest}`);
  const [tensor, ...others] = await readSafetensors(path, /^$/);
  const { shape, offset } = tensor ?? { shape: [], offset: 0 };
  const ours = tensor?.name === "scores" && tensor.encoding === "F32" && others.length === 0;
  if (!ours || shape[0] !== sequence || shape[1] !== outputs || shape.length !== 2 + side.dimensions.length)
    throw wrong(path, file, `it has no scores of ${sequence} tokens and ${outputs} outputs`);
  const scores = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await readInto(new Uint8Array(scores.buffer), path, offset);
  return { scores, shape, dimensions: side.dimensions };
}

async function readInto(bytes: Uint8Array, path: string, offset: number): Promise<void> {
  const file = await open(path);
  try {
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, 2 ** 30), offset + done);
      if (bytesRead === 0) throw wrong(path, path, "it was cut short while it was read");
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
}

function wrong(path: string, file: string, what: string): TokenlenseError {
  const message = `${path} is not what was stored with ${file}: ${what}.`;
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", message, {
    hint: "It was cut short or changed, or is another result's: take both files from a copy that is whole.",
  });
}
