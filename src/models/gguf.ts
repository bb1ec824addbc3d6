import { type FileHandle, open, stat } from "node:fs/promises";
import { TokenlenseError } from "../errors.js";
import { type Checkpoint, ENCODINGS, type Encoding, type StoredTensor } from "./checkpoint.js";
import { type GgufHeader, HeaderIncomplete, HeaderInvalid, parseHeader } from "./gguf-header.js";

/** ggml's tensor types by number, with a gap where it has retired one. */
const TYPES =
  "F32 F16 Q4_0 Q4_1 - - Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 - - - TQ1_0 TQ2_0 - - - MXFP4".split(
    " ",
  );

/**
 * Reads the header of a GGUF file: metadata, and where each tensor lies. No weight is read.
 * @throws ERR_TOKENLENSE_FILE where there is no such file, ERR_TOKENLENSE_FORMAT where it is no GGUF file, is cut short or
 * damaged, ERR_TOKENLENSE_QUANTISATION where a tensor is in an encoding that checkpoint.ts does not list.
 */
export async function readGguf(path: string): Promise<Checkpoint> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    const header = await readHeader(path, file, size);
    const shards = header.metadata.get("split.count");
    if (typeof shards === "number" && shards > 1) {
      throw damaged(
        path,
        `it is one of ${shards} parts`,
        "Merge them with llama.cpp's `llama-gguf-split --merge` and give the merged file.",
      );
    }
    return { format: "gguf", path, settings: header.metadata, tensors: locate(path, header, size) };
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Before opening: to open a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw new Error("it is not a regular file");
    return await open(path, "r");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FILE",
      missing ? `There is no file ${path}.` : `${path} cannot be read: ${(cause as Error).message}.`,
      { hint: "Give the path of a GGUF file.", cause },
    );
  }
}

/** Most headers are a few MB, for the vocabulary. One that says it goes on is read further, to the end of the file at most. */
const FIRST_READ = 4_000_000;

async function readHeader(path: string, file: FileHandle, size: number): Promise<GgufHeader> {
  for (let length = Math.min(FIRST_READ, size); ; length = Math.min(length * 4, size)) {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, 0);
    try {
      return parseHeader(bytes.subarray(0, bytesRead));
    } catch (cause) {
      if (cause instanceof HeaderInvalid) throw damaged(path, cause.message, AGAIN, cause);
      if (!(cause instanceof HeaderIncomplete)) throw cause;
      if (cause.needed > size || length === size) throw cutShort(path, cause.needed, size);
    }
  }
}

function locate(path: string, header: GgufHeader, size: number): Map<string, StoredTensor> {
  const alignment = header.metadata.get("general.alignment") ?? 32;
  if (typeof alignment !== "number" || !Number.isInteger(Math.log2(alignment))) {
    throw damaged(path, `its alignment ${alignment} is no power of two`);
  }
  const dataStart = Math.ceil(header.end / alignment) * alignment;

  const tensors = new Map<string, StoredTensor>();
  const spans: { name: string; start: number; end: number }[] = [];
  for (const { name, shape, type, offset } of header.tensors) {
    const encoding = TYPES[type] ?? "-";
    if (!isReadable(encoding)) throw unreadable(path, name, encoding === "-" ? `number ${type}` : encoding);
    const values = shape.reduce((product, n) => product * n, 1);
    const { block, bytes } = ENCODINGS[encoding];
    if ((shape.at(-1) ?? 1) % block !== 0 || !Number.isSafeInteger(values)) {
      throw damaged(path, `tensor ${name} cannot have the shape [${shape.join(", ")}] in ${encoding}`);
    }
    if (offset % alignment !== 0)
      throw damaged(path, `tensor ${name} lies at ${offset}, not a multiple of ${alignment}`);
    if (tensors.has(name)) throw damaged(path, `it has two tensors named ${name}`);
    const start = dataStart + offset;
    spans.push({ name, start, end: start + (values / block) * bytes });
    tensors.set(name, { name, file: path, offset: start, encoding, shape });
  }
  spans.sort((a, b) => a.start - b.start || a.end - b.end);
  for (const [i, { name, start }] of spans.entries()) {
    const before = spans[i - 1];
    if (before && start < before.end) throw damaged(path, `its tensors ${before.name} and ${name} overlap`);
  }
  const end = spans.reduce((last, span) => Math.max(last, span.end), 0);
  if (end > size) throw cutShort(path, end, size);
  return tensors;
}

const isReadable = (encoding: string): encoding is Encoding => Object.hasOwn(ENCODINGS, encoding);

const AGAIN = "Download the file again: it is damaged or was cut short.";

function unreadable(path: string, tensor: string, encoding: string): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_QUANTISATION",
    `Tensor ${tensor} of ${path} is in encoding ${encoding}, which this version cannot read.`,
    {
      hint: `Readable are ${Object.keys(ENCODINGS).join(", ")}: take the model in one of these (Q8_0 is close to the original).`,
    },
  );
}

function damaged(path: string, what: string, hint = AGAIN, cause?: unknown): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${path} is not a usable GGUF file: ${what}.`, { hint, cause });
}

function cutShort(path: string, expected: number, actual: number): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_FORMAT",
    `${path} is cut short: it must have at least ${expected} bytes and has ${actual}.`,
    { hint: AGAIN },
  );
}
