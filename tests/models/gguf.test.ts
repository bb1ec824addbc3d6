import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { readGguf } from "../../src/models/gguf.js";
import { ggufBytes, writeGguf } from "./gguf-writer.js";
import { realGguf } from "./real.js";
import { type TinyOptions, tinyLlama, writeTinyLlama } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "tokenlense-gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));

const TINY: TinyOptions = {
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 4,
  width: 32,
  hidden: 32,
  vocabulary: 40,
  context: 16,
  encoding: "Q8_0",
  seed: 3,
};
const bytes = ggufBytes(tinyLlama(TINY).gguf);
/** Bytes of the header, and a few more. */
const header = bytes.length - tinyLlama(TINY).gguf.tensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0);

async function failure(path: string): Promise<TokenlenseError> {
  const error = await readGguf(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TokenlenseError);
  return error as TokenlenseError;
}

let count = 0;
function written(content: Uint8Array): string {
  const path = join(folder, `${count++}.gguf`);
  writeFileSync(path, content);
  return path;
}

describe("readGguf", () => {
  test.each(["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const)(
    "finds every tensor of an %s file",
    async (encoding) => {
      const path = join(folder, `${encoding}.gguf`);
      const { gguf } = tinyLlama({ ...TINY, encoding, tied: false });
      writeGguf(path, gguf);
      const checkpoint = await readGguf(path);
      const whole = ggufBytes(gguf);
      expect([...checkpoint.tensors.keys()]).toEqual(gguf.tensors.map(({ name }) => name));
      for (const { name, shape, bytes: content } of gguf.tensors) {
        const tensor = checkpoint.tensors.get(name);
        expect(tensor?.shape).toEqual(shape);
        expect(whole.subarray(tensor?.offset, (tensor?.offset ?? 0) + content.length).equals(content)).toBe(true);
      }
      expect(checkpoint.tensors.get("blk.0.attn_q.weight")?.encoding).toBe(encoding);
      expect(checkpoint.tensors.get("output_norm.weight")?.encoding).toBe("F32");
      expect(checkpoint.settings.get("llama.embedding_length")).toBe(32);
      expect(checkpoint.settings.get("tokenizer.ggml.tokens")).toHaveLength(40);
    },
  );

  test("reads the metadata that the hub's own library reads", async () => {
    const path = await realGguf();
    const { gguf } = await import("@huggingface/gguf");
    const library = await gguf(path, { allowLocalFile: true });
    const { settings, tensors } = await readGguf(path);
    const { version: _v, tensor_count: _t, kv_count: _k, ...metadata } = library.metadata;
    expect(Object.fromEntries(settings)).toEqual(metadata);
    expect([...tensors.values()].map(({ name, shape, offset }) => ({ name, shape, offset }))).toEqual(
      library.tensorInfos.map((info) => ({
        name: info.name,
        shape: info.shape.map(Number).reverse(),
        offset: Number(library.tensorDataOffset + info.offset),
      })),
    );
  });

  test("reads every metadata type, and text as it stands", async () => {
    const long = Array.from({ length: 30 }, (_, i) => `${"é☃".repeat(80_000)}${i}`);
    const path = written(
      ggufBytes({
        metadata: {
          text: { string: "\ufeffé\u0000" },
          strings: { strings: ["\ufeff", "", ...long] },
          u32: { u32: 2 ** 32 - 1 },
          i32: { i32: -5 },
          f32: { f32: 0.5 },
          u64: { u64: 2n ** 40n },
          bool: { bool: true },
          i32s: { i32s: [1, -2] },
          f32s: { f32s: [0.25] },
        },
        tensors: [],
      }),
    );
    expect(Object.fromEntries((await readGguf(path)).settings)).toEqual({
      text: "\ufeffé\u0000",
      strings: ["\ufeff", "", ...long],
      u32: 2 ** 32 - 1,
      i32: -5,
      f32: 0.5,
      u64: 2 ** 40,
      bool: true,
      i32s: [1, -2],
      f32s: [0.25],
    });
  });

  test("takes no memory for counts that cannot be", async () => {
    const claim = (...parts: (Buffer | string)[]) => Buffer.concat(parts.map((part) => Buffer.from(part as Buffer)));
    const u64 = (value: bigint) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(value);
      return bytes;
    };
    const [version, zero, one, huge] = [Buffer.from([3, 0, 0, 0]), u64(0n), u64(1n), u64(2n ** 60n)];
    for (const bytes of [
      claim("GGUF", version, huge, zero),
      claim("GGUF", version, zero, huge),
      claim("GGUF", version, zero, one, huge),
      claim("GGUF", version, zero, one, zero, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]), huge),
      claim("GGUF", version, zero, one, zero, Buffer.from([8, 0, 0, 0]), huge),
    ]) {
      expect((await failure(written(bytes))).code).toBe("ERR_TOKENLENSE_FORMAT");
    }
  });

  test("says that a file is missing", async () => {
    const error = await failure(join(folder, "none.gguf"));
    expect(error.code).toBe("ERR_TOKENLENSE_FILE");
    expect(error.message).toContain("none.gguf");
    expect((await failure(folder)).code).toBe("ERR_TOKENLENSE_FILE");
  });

  test("says what is no GGUF file", async () => {
    for (const content of ["", "GG", "<!DOCTYPE html><html>", "PK\u0003\u0004", "GGML\u0001\u0002"]) {
      const error = await failure(written(Buffer.from(content)));
      expect(error.code).toBe("ERR_TOKENLENSE_FORMAT");
      expect(error.hint).toBeTruthy();
    }
  });

  test("says how much of a cut file is missing", async () => {
    const path = join(folder, "cut.gguf");
    writeTinyLlama(path, TINY);
    truncateSync(path, bytes.length - 33);
    const error = await failure(path);
    expect(error.code).toBe("ERR_TOKENLENSE_FORMAT");
    expect(error.message).toMatch(new RegExp(`at least \\d+ bytes and has ${bytes.length - 33}`));
    expect(error.hint).toMatch(/again/);
  });

  test("refuses overlapping, doubled and misplaced tensors", async () => {
    const { gguf } = tinyLlama({ ...TINY, encoding: "F32" });
    const [first, second, ...rest] = gguf.tensors;
    if (!first || !second) throw new Error("too few tensors");
    const doubled = ggufBytes({ ...gguf, tensors: [first, { ...second, name: first.name }, ...rest] });
    expect((await failure(written(doubled))).message).toContain("two tensors");

    const grown = { ...first, shape: [...first.shape.slice(0, -1), (first.shape.at(-1) ?? 0) + 32] };
    expect((await failure(written(ggufBytes({ ...gguf, tensors: [grown, second, ...rest] })))).message).toContain(
      "overlap",
    );

    const odd = { ...first, type: 8, shape: [40, 31] };
    expect((await failure(written(ggufBytes({ ...gguf, tensors: [odd, second, ...rest] })))).message).toContain(
      "[40, 31]",
    );
  });

  test.each([
    [16, "IQ2_XXS"],
    [39, "MXFP4"],
    [30_000, "number 30000"],
  ])("refuses tensor type %i by name", async (type, name) => {
    const { gguf } = tinyLlama(TINY);
    const tensors = gguf.tensors.map((tensor) =>
      tensor.name === "blk.0.attn_q.weight" ? { ...tensor, type } : tensor,
    );
    const error = await failure(written(ggufBytes({ ...gguf, tensors })));
    expect(error.code).toBe("ERR_TOKENLENSE_QUANTISATION");
    expect(error.message).toContain("blk.0.attn_q.weight");
    expect(error.message).toContain(name);
    expect(error.hint).toMatch(/F32, F16, BF16, Q8_0, Q4_0, Q4_1/);
  });

  test("refuses one part of several", async () => {
    const { gguf } = tinyLlama({ ...TINY, metadata: { "split.count": { u32: 3 } } });
    expect((await failure(written(ggufBytes(gguf)))).hint).toContain("--merge");
  });

  test("gives a typed error wherever the file is cut", async () => {
    const path = written(bytes);
    for (let length = bytes.length - 1; length >= 0; length--) {
      // The weights are one stretch of bytes: a few cuts in it stand for all.
      if (length > header && length % 509 !== 0) continue;
      truncateSync(path, length);
      expect((await failure(path)).code).toBe("ERR_TOKENLENSE_FORMAT");
    }
  });

  test("gives a typed error or a checkpoint whatever byte is wrong", async () => {
    const flip = fc.record({ at: fc.nat(header - 1), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
        const copy = Buffer.from(bytes);
        for (const { at, value } of flips) copy[at] = value;
        const outcome = await readGguf(written(copy)).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          expect(outcome).toBeInstanceOf(TokenlenseError);
          expect((outcome as TokenlenseError).code).toMatch(/FORMAT|QUANTISATION/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
