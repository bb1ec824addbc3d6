import { Buffer } from "node:buffer";

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const at = (i: number) => sorted[i] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
  return { median, min: at(0), max: at(sorted.length - 1) };
}

/** Little-endian float32 in base64. */
export function decodeFloats(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

/** The largest difference, as a share of the largest magnitude in `reference`. NaN where anything is not a number. */
export function distance(values: Float32Array, reference: Float32Array): number {
  if (values.length !== reference.length) throw new Error(`${values.length} scores against ${reference.length}`);
  let difference = 0;
  let largest = 0;
  for (const [i, expected] of reference.entries()) {
    const apart = Math.abs((values[i] ?? Number.NaN) - expected);
    if (Number.isNaN(apart)) return Number.NaN;
    difference = Math.max(difference, apart);
    largest = Math.max(largest, Math.abs(expected));
  }
  return difference / largest;
}

/** L2 distance of each column from the reference's, as a share of the reference's L2 norm. Row-major. */
export function apartByColumn(values: Float32Array, reference: Float32Array, columns: number): number[] {
  return Array.from({ length: columns }, (_, column) => {
    let difference = 0;
    let size = 0;
    for (let i = column; i < reference.length; i += columns) {
      const expected = reference[i] ?? Number.NaN;
      difference += ((values[i] ?? Number.NaN) - expected) ** 2;
      size += expected ** 2;
    }
    return Math.sqrt(difference / size);
  });
}
