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

export function largestSize(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** The largest difference, as a share of the largest magnitude in `reference`. NaN where anything is not a number. */
export function distance(values: Float32Array, reference: Float32Array): number {
  return distanceByColumn(values, reference, 1)[0] ?? Number.NaN;
}

/** Likewise of each column, as a share of the largest magnitude in all of `reference`. Row-major. */
export function distanceByColumn(values: Float32Array, reference: Float32Array, columns: number): number[] {
  if (values.length !== reference.length) throw new Error(`${values.length} scores against ${reference.length}`);
  const largest = largestSize(reference);
  const differences = new Array<number>(columns).fill(0);
  for (const [i, expected] of reference.entries()) {
    const column = i % columns;
    differences[column] = Math.max(differences[column] ?? 0, Math.abs((values[i] ?? Number.NaN) - expected));
  }
  return differences.map((difference) => difference / largest);
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
