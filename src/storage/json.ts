import { randomUUID } from "node:crypto";
import type { NativeDocument } from "./schema.js";

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
