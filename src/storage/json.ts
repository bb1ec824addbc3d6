import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { TokenlenseError } from "../errors.js";
import type { NativeDocument } from "./schema.js";

/** @throws ERR_TOKENLENSE_FILE where it cannot be read, else {@link parseJson}'s. */
export async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${(cause as Error).message}`, { cause });
  });
  return parseJson(bytes, file);
}

/** @throws ERR_TOKENLENSE_FORMAT for what is no JSON in UTF-8. */
export function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    // Strictly: a damaged character should not become part of a text as U+FFFD.
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is not JSON, or was cut short.`, { cause });
  }
}

/** As JSON.stringify, but −0 keeps its sign: each float32 is read back to the bit. */
export function toJsonText(document: NativeDocument): string {
  const { association_matrix: matrix, step_scores: steps } = document.data;
  const rows = [...matrix, ...Object.values(steps ?? {}), document.tokenlense_native?.convergence_deltas ?? []];
  const negativeZero = (value: unknown) => Object.is(value, -0);
  if (!rows.some((row) => row.some(negativeZero))) return JSON.stringify(document);
  const mark = randomUUID();
  const text = JSON.stringify(document, (_, value: unknown) => (negativeZero(value) ? mark : value));
  return text.replaceAll(`"${mark}"`, "-0");
}
