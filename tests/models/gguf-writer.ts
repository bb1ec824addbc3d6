/** A small GGUF writer for tests: header, metadata and tensors in every encoding that the package reads. */
import { writeFileSync } from "node:fs";

export type Encoding = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

/** ggml's numbers for tensor types, and the size of a block. */
const TYPES: Record<Encoding, { id: number; block: number; bytes: number }> = {
  F32: { id: 0, block: 1, bytes: 4 },
  F16: { id: 1, block: 1, bytes: 2 },
  BF16: { id: 30, block: 1, bytes: 2 },
  Q8_0: { id: 8, block: 32, bytes: 34 },
  Q4_0: { id: 2, block: 32, bytes: 18 },
  Q4_1: { id: 3, block: 32, bytes: 20 },
};

export type MetadataValue =
  | { u32: number }
  | { i32: number }
  | { f32: number }
  | { u64: bigint }
  | { bool: boolean }
  | { string: string }
  | { strings: string[] }
  | { bools: boolean[] }
  | { i32s: number[] }
  | { f32s: number[] };

export interface TensorInput {
  name: string;
  /** Row-major, as PyTorch has it; GGUF itself writes the dimensions the other way round. */
  shape: number[];
  /** ggml's number of the type. */
  type: number;
  bytes: Uint8Array;
}

/** Values in an encoding, and the float32 values that a reader gets back from it. */
export function encodeTensor(
  name: string,
  shape: number[],
  values: Float32Array,
  encoding: Encoding,
): { tensor: TensorInput; values: Float32Array } {
  const { id, block, bytes: size } = TYPES[encoding];
  const bytes = new Uint8Array((values.length / block) * size);
  const back = new Float32Array(values.length);
  const view = new DataView(bytes.buffer);
  for (let b = 0; b < values.length / block; b++) {
    ENCODERS[encoding](
      view,
      b * size,
      values.subarray(b * block, (b + 1) * block),
      back.subarray(b * block, (b + 1) * block),
    );
  }
  return { tensor: { name, shape, type: id, bytes }, values: back };
}

type Encoder = (view: DataView, at: number, values: Float32Array, back: Float32Array) => void;

const at = (array: Float32Array, index: number): number => array[index] as number;

const ENCODERS: Record<Encoding, Encoder> = {
  F32: (view, offset, values, back) => {
    view.setFloat32(offset, at(values, 0), true);
    back[0] = at(values, 0);
  },
  F16: (view, offset, values, back) => {
    const bits = toHalf(at(values, 0));
    view.setUint16(offset, bits, true);
    back[0] = fromHalf(bits);
  },
  BF16: (view, offset, values, back) => {
    const bits = bitsOf(at(values, 0));
    const rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
    view.setUint16(offset, rounded, true);
    back[0] = floatOf((rounded << 16) >>> 0);
  },
  Q8_0: (view, offset, values, back) => {
    const bits = toHalf(Math.max(...values.map(Math.abs)) / 127);
    const scale = fromHalf(bits);
    view.setUint16(offset, bits, true);
    for (let j = 0; j < 32; j++) {
      const q = scale === 0 ? 0 : clamp(Math.round(at(values, j) / scale), -127, 127);
      view.setInt8(offset + 2 + j, q);
      back[j] = q * scale;
    }
  },
  Q4_0: (view, offset, values, back) => {
    const extreme = values.reduce((a, v) => (Math.abs(v) > Math.abs(a) ? v : a), 0);
    const bits = toHalf(extreme / -8);
    const scale = fromHalf(bits);
    view.setUint16(offset, bits, true);
    nibbles(view, offset + 2, (j) => {
      const q = scale === 0 ? 8 : clamp(Math.round(at(values, j) / scale) + 8, 0, 15);
      back[j] = (q - 8) * scale;
      return q;
    });
  },
  Q4_1: (view, offset, values, back) => {
    const low = Math.min(...values);
    const [scaleBits, lowBits] = [toHalf((Math.max(...values) - low) / 15), toHalf(low)];
    const [scale, minimum] = [fromHalf(scaleBits), fromHalf(lowBits)];
    view.setUint16(offset, scaleBits, true);
    view.setUint16(offset + 2, lowBits, true);
    nibbles(view, offset + 4, (j) => {
      const q = scale === 0 ? 0 : clamp(Math.round((at(values, j) - minimum) / scale), 0, 15);
      back[j] = Math.fround(q * scale) + minimum;
      return q;
    });
  },
};

/** ggml keeps value j in the low and value j + 16 in the high half of byte j. */
function nibbles(view: DataView, offset: number, quantised: (j: number) => number): void {
  for (let j = 0; j < 16; j++) view.setUint8(offset + j, quantised(j) | (quantised(j + 16) << 4));
}

const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

const scratch = new DataView(new ArrayBuffer(4));
function bitsOf(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}
function floatOf(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

/** float32 to float16 bits, to the nearest, ties to even. */
function toHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(size)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const steps = size / 2 ** (exponent - 10);
  const low = Math.floor(steps);
  const rounded = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1) ? low + 1 : low;
  // A mantissa that rounds up to 2048 carries into the exponent by itself.
  return sign | (size < 2 ** -14 ? rounded : ((exponent + 15) << 10) + rounded - 1024);
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

export interface GgufInput {
  metadata: Record<string, MetadataValue>;
  tensors: TensorInput[];
  alignment?: number;
}

/** The bytes of a GGUF file, version 3, little-endian. */
export function ggufBytes({ metadata, tensors, alignment = 32 }: GgufInput): Buffer {
  const header: Buffer[] = [];
  const entries = Object.entries(metadata);
  header.push(Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(entries.length));
  for (const [key, value] of entries) header.push(text(key), metadataBytes(value));
  let offset = 0;
  for (const tensor of tensors) {
    const sizes = [...tensor.shape].reverse().map(u64);
    header.push(text(tensor.name), u32(tensor.shape.length), ...sizes, u32(tensor.type), u64(offset));
    offset += padded(tensor.bytes.length, alignment);
  }
  const head = Buffer.concat(header);
  const parts: Uint8Array[] = [head, Buffer.alloc(padded(head.length, alignment) - head.length)];
  for (const { bytes } of tensors) {
    parts.push(bytes, Buffer.alloc(padded(bytes.length, alignment) - bytes.length));
  }
  return Buffer.concat(parts);
}

export function writeGguf(path: string, input: GgufInput): void {
  writeFileSync(path, ggufBytes(input));
}

const padded = (size: number, alignment: number): number => Math.ceil(size / alignment) * alignment;

function metadataBytes(value: MetadataValue): Buffer {
  if ("u32" in value) return Buffer.concat([u32(4), u32(value.u32)]);
  if ("i32" in value) return Buffer.concat([u32(5), i32(value.i32)]);
  if ("f32" in value) return Buffer.concat([u32(6), f32(value.f32)]);
  if ("bool" in value) return Buffer.concat([u32(7), Buffer.from([value.bool ? 1 : 0])]);
  if ("string" in value) return Buffer.concat([u32(8), text(value.string)]);
  if ("u64" in value) return Buffer.concat([u32(10), u64(value.u64)]);
  if ("strings" in value) return array(8, value.strings.map(text));
  if ("bools" in value)
    return array(
      7,
      value.bools.map((bool) => Buffer.from([bool ? 1 : 0])),
    );
  if ("i32s" in value) return array(5, value.i32s.map(i32));
  return array(6, value.f32s.map(f32));
}

const array = (type: number, items: Buffer[]): Buffer =>
  Buffer.concat([u32(9), u32(type), u64(items.length), ...items]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
