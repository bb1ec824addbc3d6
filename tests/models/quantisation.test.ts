import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import yauzl from "yauzl";
import { native } from "../../src/install/binding.js";
import { ENCODINGS, type Encoding } from "../../src/models/checkpoint.js";
import type { WeightPart } from "../../src/native.js";
import { temporaryFolder } from "../tiny-model.js";

interface Goldens {
  about: { rows: number; columns: number };
  encodings: Record<Encoding, { bytes: string; values: string }>;
}
const goldens = JSON.parse(readFileSync(new URL("../goldens/quantisation.json", import.meta.url), "utf8")) as Goldens;
const folder = temporaryFolder();

/** The bytes of the one weight of an archive made of this part. */
async function decoded(name: string, bytes: Buffer, part: Partial<WeightPart> = {}): Promise<Buffer> {
  const { rows, columns } = goldens.about;
  const file = join(folder, `${name}.bin`);
  const output = join(folder, `${name}.pt`);
  writeFileSync(file, Buffer.concat([Buffer.alloc(7), bytes])); // blocks need not be aligned
  const source = "def embed(self, ids: Tensor) -> Tensor:\n    return torch.embedding(self.weight, ids)\n";
  const whole = { file, offset: 7, encoding: name as Encoding, rows, columns, ...part };
  const weights = [{ name: "weight", shape: [whole.rows, whole.columns], parts: [whole] }];
  const nothing = { integers: {}, floats: {}, texts: {}, lists: {}, rotary: [], tables: [], files: {} };
  await native().buildArchive({ output, source, weights, ...nothing }).promise;
  const zip = await yauzl.openPromise(output, { lazyEntries: true, autoClose: false });
  try {
    for await (const entry of zip.eachEntry())
      if (entry.fileName.endsWith("/data/0")) return await buffer(await zip.openReadStreamPromise(entry));
  } finally {
    zip.close();
  }
  throw new Error("the archive has no weight");
}

describe("dequantisation", () => {
  it("has a golden for every encoding", () => {
    expect(Object.keys(goldens.encodings).sort()).toEqual(Object.keys(ENCODINGS).sort());
  });

  it.each(Object.entries(goldens.encodings))(
    "of %s is the gguf package's to the bit",
    async (name, { bytes, values }) => {
      const raw = Buffer.from(bytes, "base64");
      const { block, bytes: size } = ENCODINGS[name as Encoding];
      expect(raw.length).toBe(((goldens.about.rows * goldens.about.columns) / block) * size);
      const expected = Buffer.from(values, "base64");
      expect(
        new Set(new Uint32Array(expected.buffer.slice(expected.byteOffset, expected.byteOffset + expected.length)))
          .size,
      ).toBeGreaterThan(100);
      expect((await decoded(name, raw)).equals(expected)).toBe(true);
    },
  );

  it("says which encodings there are where one is none of them", async () => {
    const error = await decoded("Q9_K", Buffer.alloc(10)).catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: "ERR_TOKENLENSE_QUANTISATION", message: /Q9_K/ });
    for (const name of Object.keys(ENCODINGS)) expect((error as { hint?: string }).hint).toContain(name);
  });

  it("says where rows do not divide into blocks", async () => {
    await expect(decoded("Q4_K", Buffer.alloc(144), { rows: 2, columns: 128 })).rejects.toMatchObject({
      code: "ERR_TOKENLENSE_FORMAT",
    });
  });
});
