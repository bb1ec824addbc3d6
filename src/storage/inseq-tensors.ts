import { constants } from "node:buffer";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import type { TokenlenseError } from "../errors.js";
import { safetensorsHeader } from "../models/safetensors.js";
import type { StoredScores } from "./inseq-schema.js";

/** Row-major. */
export interface Scores {
  shape: readonly number[];
  data: Float32Array;
}

/** Makes the error that says what is wrong with the file. */
export type Fault = (what: string) => TokenlenseError;

interface Dtype {
  bytes: number;
  read(view: DataView, at: number): number;
}

/** By their names in safetensors. Inseq saves float32 unless asked for `scores_precision` "float16" or "float8". */
const DTYPES: Readonly<Record<string, Dtype>> = {
  F64: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  F16: { bytes: 2, read: (view, at) => narrow(view.getUint16(at, true), 5, 10, true) },
  BF16: { bytes: 2, read: (view, at) => narrow(view.getUint16(at, true), 8, 7, true) },
  F8_E4M3: { bytes: 1, read: (view, at) => narrow(view.getUint8(at), 4, 3, false) },
};

const NUMPY: Readonly<Record<string, string>> = { float64: "F64", float32: "F32", float16: "F16" };

/** The name of the one tensor in each of Inseq's safetensors. */
const NAME = "attribution";

const header = z.object({
  [NAME]: z.object({
    dtype: z.string(),
    shape: z.array(z.int().nonnegative()),
    data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
  }),
});

/** As Inseq writes scores: a safetensors file (github.com/huggingface/safetensors) in base64. */
export function encodeScores({ shape, data }: Scores): string {
  const values = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat([safetensorsHeader({ [NAME]: shape }), values]).toString("base64");
}

/** Scores as Inseq 0.6 and 0.7 write them, rounded to float32 where they are of another type. */
export function decodeScores(stored: StoredScores, fault: Fault): Scores {
  if (typeof stored === "string") return fromSafetensors(Buffer.from(stored, "base64"), fault);
  if (Array.isArray(stored)) return fromLists(stored, fault);
  const { __ndarray__: values, dtype, shape, Corder: rows } = stored;
  if (typeof values !== "string") {
    const scores = fromLists(values, fault);
    if (!(size(shape) === 0 && scores.data.length === 0) && !same(scores.shape, shape))
      throw fault(`the lists are of shape [${scores.shape.join(", ")}], not [${shape.join(", ")}]`);
    return { shape, data: scores.data };
  }
  if (!rows) throw fault("an array in column-major order");
  const type = Object.hasOwn(NUMPY, dtype) ? NUMPY[dtype] : undefined;
  if (type === undefined) throw fault(`an array of ${dtype}; readable are ${Object.keys(NUMPY).join(", ")}`);
  return { shape, data: floats(numpyBytes(values, shape, fault), shape, type, fault) };
}

function numpyBytes(text: string, shape: readonly number[], fault: Fault): Buffer {
  const [, form, data = ""] = /^(b64|b64\.gz):(.*)$/s.exec(text) ?? [];
  if (form === undefined) throw fault("an array that is neither b64 nor b64.gz");
  const bytes = Buffer.from(data, "base64");
  if (form === "b64") return bytes;
  try {
    // A few bytes may claim to be gigabytes.
    return gunzipSync(bytes, { maxOutputLength: Math.min(Math.max(8 * size(shape), 1), constants.MAX_LENGTH) });
  } catch {
    throw fault("an array that cannot be decompressed");
  }
}

function fromSafetensors(bytes: Buffer, fault: Fault): Scores {
  const length = bytes.length < 8 ? Number.POSITIVE_INFINITY : Number(bytes.readBigUInt64LE());
  if (length > bytes.length - 8) throw fault("scores that are no safetensors, or cut short");
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8", 8, 8 + length));
  } catch {
    // refused below
  }
  const parsed = header.safeParse(json);
  if (!parsed.success) throw fault("safetensors with a damaged header");
  const { dtype, shape, data_offsets } = parsed.data[NAME];
  const [start, end] = data_offsets.map((offset) => 8 + length + offset) as [number, number];
  if (start > end || end > bytes.length) throw fault("safetensors that are cut short");
  return { shape, data: floats(bytes.subarray(start, end), shape, dtype, fault) };
}

function floats(bytes: Buffer, shape: readonly number[], dtype: string, fault: Fault): Float32Array {
  const type = Object.hasOwn(DTYPES, dtype) ? DTYPES[dtype] : undefined;
  if (type === undefined) throw fault(`scores of type ${dtype}; readable are ${Object.keys(DTYPES).join(", ")}`);
  if (bytes.length !== size(shape) * type.bytes)
    throw fault(`${bytes.length} bytes of ${dtype}, which [${shape.join(", ")}] does not fit`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Float32Array(size(shape));
  for (let i = 0; i < data.length; i++) data[i] = type.read(view, i * type.bytes);
  return data;
}

/** IEEE 754's smaller formats, and the one without infinities that keeps their place for numbers. */
function narrow(bits: number, exponentBits: number, mantissaBits: number, infinities: boolean): number {
  const highest = 2 ** exponentBits - 1;
  const mantissas = 2 ** mantissaBits;
  const sign = bits >> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  const exponent = (bits >> mantissaBits) & highest;
  const mantissa = bits & (mantissas - 1);
  if (exponent === highest) {
    if (infinities) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (mantissa === mantissas - 1) return Number.NaN;
  }
  const scale = 2 ** (Math.max(exponent, 1) - (highest >> 1) - mantissaBits);
  return sign * scale * (mantissa + (exponent === 0 ? 0 : mantissas));
}

/** Lists of lists of numbers. */
function fromLists(lists: readonly unknown[], fault: Fault): Scores {
  const shape: number[] = [];
  for (let level: unknown = lists; Array.isArray(level); level = level[0]) shape.push(level.length);
  if (shape.length > MOST_DIMENSIONS) throw fault(`lists in lists, ${shape.length} deep`);
  const values: number[] = [];
  const read = (value: unknown, depth: number): void => {
    if (Array.isArray(value)) {
      if (value.length !== shape[depth]) throw fault("lists of unequal lengths");
      for (const inner of value) read(inner, depth + 1);
      return;
    }
    const score = typeof value === "string" && NAMED.has(value) ? Number(value) : value;
    if (typeof score !== "number") throw fault(`a list that holds ${typeof value}s`);
    if (depth !== shape.length) throw fault("lists of unequal depth");
    values.push(score);
  };
  read(lists, 0);
  return { shape, data: Float32Array.from(values) };
}

/** Position, output, layer, head, and some to spare. */
const MOST_DIMENSIONS = 8;

/** What is no number in JSON: see `parsePython`. */
const NAMED = new Set(["NaN", "Infinity", "-Infinity"]);

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((length, i) => length === b[i]);
