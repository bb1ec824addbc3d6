import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { ENCODINGS, type Encoding, inconsistent, type StoredTensor } from "./checkpoint.js";

const headerSchema = z.record(
  z.string(),
  z.object({
    dtype: z.string(),
    shape: z.array(z.int().nonnegative()),
    data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
  }),
);

/** The format's own limit. */
const LONGEST_HEADER = 100_000_000;

/**
 * Where the tensors of a safetensors file lie (format: github.com/huggingface/safetensors). No weight is read.
 * @param skipped names of tensors to leave out, of whatever type.
 * @throws ERR_TOKENLENSE_FORMAT where it is cut short or damaged, ERR_TOKENLENSE_QUANTISATION for other types than F32, F16
 * and BF16.
 */
export async function readSafetensors(path: string, skipped: RegExp): Promise<StoredTensor[]> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const { header, dataStart } = await readHeader(file, path, size);
    const wanted = Object.entries(header).filter(([name]) => !skipped.test(name));
    return wanted.map(([name, { dtype, shape, data_offsets }]) => {
      if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
        throw new TokenlenseError(
          "ERR_TOKENLENSE_QUANTISATION",
          `Tensor ${name} of ${path} is of type ${dtype}, which this version cannot read.`,
          { hint: "Readable are F32, F16 and BF16." },
        );
      }
      const encoding: Encoding = dtype;
      const [start, end] = data_offsets;
      const bytes = shape.reduce((product, n) => product * n, ENCODINGS[encoding].bytes);
      if (end - start !== bytes)
        throw inconsistent(path, `gives tensor ${name} ${end - start} bytes, but [${shape.join(", ")}] needs ${bytes}`);
      if (dataStart + end > size)
        throw inconsistent(path, `is cut short: it must have at least ${dataStart + end} bytes and has ${size}`);
      return { name, file: path, offset: dataStart + start, encoding, shape };
    });
  } finally {
    await file.close();
  }
}

/**
 * What comes before the values in a safetensors file of float32 tensors, which then follow one another in the header's
 * order, each row-major and little-endian. Its length is a multiple of eight, so values lie where a Float32Array can.
 */
export function safetensorsHeader(
  shapes: Readonly<Record<string, readonly number[]>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  let end = 0;
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const start = end;
    end += 4 * shape.reduce((product, n) => product * n, 1);
    return [name, { dtype: "F32", shape, data_offsets: [start, end] }];
  });
  const text = Buffer.from(
    JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(tensors) }),
  );
  const header = Buffer.alloc(8 + 8 * Math.ceil(text.length / 8), " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.set(text, 8);
  return header;
}

async function readHeader(file: FileHandle, path: string, size: number) {
  const start = Buffer.alloc(8);
  await file.read(start, 0, 8, 0);
  const length = start.readBigUInt64LE();
  if (size < 8 || length > LONGEST_HEADER || Number(length) > size - 8) {
    throw inconsistent(path, `is no safetensors file, or cut short within its header: it has ${size} bytes`);
  }
  const text = Buffer.alloc(Number(length));
  await file.read(text, 0, text.length, 8);
  try {
    const { __metadata__: _, ...tensors } = JSON.parse(text.toString()) as Record<string, unknown>;
    return { header: headerSchema.parse(tensors), dataStart: 8 + text.length };
  } catch {
    throw inconsistent(path, "has a damaged header");
  }
}
