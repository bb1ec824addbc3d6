import type { NativeDocument } from "../../../src/storage/schema.js";

/**
 * The document with the scores that a safetensors file has: float32 [sequence, outputs], row-major. It names that file no more.
 * @param bytes Of the whole file: the header's length as 64 bits, the header, the numbers.
 */
export function filled(document: NativeDocument, bytes: ArrayBuffer): NativeDocument {
  const { data, tokenlense_native: ours } = document;
  const header = Number(new DataView(bytes).getBigUint64(0, true));
  const scores = new Float32Array(bytes.slice(8 + header));
  const outputs = data.output_tokens.length;
  const row = (output: number) =>
    Array.from({ length: scores.length / outputs }, (_, position) => scores[position * outputs + output] as number);
  return {
    ...document,
    data: { ...data, association_matrix: data.output_tokens.map((_, output) => row(output)) },
    ...(ours && { tokenlense_native: { ...ours, scores: undefined } }),
  };
}
