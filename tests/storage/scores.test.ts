import { copyFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { load, save } from "../../src/storage/results.js";
import type { NativeDocument } from "../../src/storage/schema.js";
import { example } from "../example.js";
import { beside, code, eachFolder, layered } from "./stored.js";

const folder = eachFolder();

const read = async (file: string): Promise<NativeDocument> => JSON.parse(await readFile(file, "utf8"));

const sized = (sequence: number, outputs: number) =>
  example(Array(sequence - outputs).fill("p"), Array(outputs).fill("o"), (position, output) => position / (output + 3));

describe("scores beside a document", () => {
  it("are a safetensors file, and the document has what TokenLense reads as well", async () => {
    const file = await save(layered(3, 5, 0, -0), folder());
    expect((await readdir(folder())).sort()).toEqual([basename(file), basename(beside(file))].sort());
    const document = await read(file);
    expect(document.data).toMatchObject({ association_matrix: [[4, 0]], raw_dimensions: [2, 1, 2] });

    // As the format's description says: the header's length, the header, the values.
    const bytes = await readFile(beside(file));
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    expect(JSON.parse(bytes.toString("utf8", 8, 8 + length))).toEqual({
      __metadata__: { format: "tokenlense-native" },
      scores: { dtype: "F32", shape: [2, 1, 2], data_offsets: [0, 16] },
    });
    expect(Array.from({ length: 4 }, (_, i) => bytes.readFloatLE(8 + length + 4 * i))).toEqual([3, 5, 0, -0]);
    expect(bytes).toHaveLength(8 + length + 16);
  });

  it("hold a large matrix, of which the document then has none", async () => {
    const [small, large] = [sized(256, 255), sized(257, 256)];
    const inside = await save(small, join(folder(), "small"));
    expect(await readdir(join(folder(), "small"))).toEqual([basename(inside)]);
    expect((await read(inside)).data.association_matrix).toHaveLength(255);

    const file = await save(large, folder());
    const { data, tokenlense_native: ours } = await read(file);
    expect([data.association_matrix, data.normalized_association]).toEqual([[], null]);
    expect(ours?.scores).toMatchObject({ file: basename(beside(file)), dimensions: [] });
    expect(await load(file)).toEqual(large);
    expect((await load(file)).toJSON()).toEqual(large.toJSON());
  });

  it("are never those of another result, however many are stored at once", async () => {
    const results = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? example(["a"], ["b"]) : layered(i, 1, 0, 0)));
    const files = await Promise.all(results.map((result) => save(result, folder())));
    expect(new Set(files).size).toBe(12);
    for (const [i, file] of files.entries()) expect((await load(file)).scores).toEqual(results[i]?.scores);
    expect(await readdir(folder())).toHaveLength(12 + 8);
  });

  it("may be disposed of while they are written", async () => {
    const result = layered(1, 2, 0, 0);
    const { scores } = result;
    const saving = save(result, folder());
    result.dispose();
    scores.fill(7); // as whoever gets the memory next may
    expect((await load(await saving)).scores).toEqual(Float32Array.of(1, 2, 0, 0));
  });
});

describe("where they are not what was stored, load says so and names both files", () => {
  const expectError = async (file: string, name: string) => {
    await expect(load(file)).rejects.toThrow(code(name));
    await expect(load(file)).rejects.toThrow(basename(file));
    await expect(load(file)).rejects.toThrow(basename(beside(file)));
  };

  it("missing", async () => {
    const file = await save(layered(1, 2, 0, 0), folder());
    await rm(beside(file));
    await expectError(file, "FILE");
  });

  it("cut short, longer, or with a byte changed", async () => {
    const file = await save(layered(1, 2, 0, 0), folder());
    const bytes = await readFile(beside(file));
    const changed = Buffer.from(bytes);
    changed[bytes.length - 2] = 1;
    for (const wrong of [bytes.subarray(0, -1), Buffer.alloc(0), Buffer.concat([bytes, Buffer.of(0)]), changed]) {
      await writeFile(beside(file), wrong);
      await expectError(file, "FORMAT");
    }
    await writeFile(beside(file), bytes);
    expect((await load(file)).scores[1]).toBe(2);
  });

  it("another result's of the same size", async () => {
    const [file, other] = [await save(layered(1, 2, 0, 0), folder()), await save(layered(2, 1, 0, 0), folder())];
    await copyFile(beside(other), beside(file));
    await expectError(file, "FORMAT");
  });

  it("of other sizes than the document's tokens", async () => {
    const file = await save(layered(1, 2, 0, 0), folder());
    const document = await read(file);
    for (const change of [
      ({ data }: NativeDocument) => data.input_tokens.push(...data.input_tokens),
      ({ tokenlense_native: ours }: NativeDocument) => ours?.scores?.dimensions.pop(),
    ]) {
      const changed = structuredClone(document);
      change(changed);
      await writeFile(file, JSON.stringify(changed));
      await expectError(file, "FORMAT");
    }
  });

  it("elsewhere: a document cannot name a file outside its folder", async () => {
    const file = await save(layered(1, 2, 0, 0), join(folder(), "inner"));
    const document = await read(file);
    await rename(beside(file), join(folder(), "x.safetensors"));
    for (const name of ["../x.safetensors", join(folder(), "x.safetensors"), "..\\x.safetensors", ".safetensors"]) {
      const scores = { ...document.tokenlense_native?.scores, file: name };
      await writeFile(
        file,
        JSON.stringify({ ...document, tokenlense_native: { ...document.tokenlense_native, scores } }),
      );
      await expect(load(file), name).rejects.toThrow(code("FORMAT"));
    }
  });
});

describe("numbers that are none", () => {
  it("are not stored", async () => {
    for (const changes of [
      { scores: Float32Array.of(1, Number.NaN) },
      { stepScores: { perplexity: Float32Array.of(Number.POSITIVE_INFINITY) } },
      { convergenceDeltas: Float32Array.of(Number.NEGATIVE_INFINITY) },
    ])
      await expect(save(example(["a"], ["b"], undefined, changes), folder())).rejects.toThrow(code("NON_FINITE"));
    expect(await readdir(folder())).toEqual([]);
  });

  it("are not loaded: what float32 cannot hold", async () => {
    const file = await save(example(["a"], ["b"]), folder());
    await writeFile(
      file,
      (await readFile(file, "utf8")).replace('"association_matrix":[[0.5', '"association_matrix":[[1e39'),
    );
    await expect(load(file)).rejects.toThrow(code("FORMAT"));
  });
});
