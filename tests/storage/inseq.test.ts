import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TokenlenseError } from "../../src/errors.js";
import { load, loadAll, save } from "../../src/storage/results.js";
import { example } from "../example.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterEach(() => rm(folder, { recursive: true }));

const code = (name: string) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}` });
const saveInseq = (...[result, options]: [Parameters<typeof save>[0], object?]) =>
  save(result, folder, { format: "inseq", ...options });

describe("save in Inseq's format", () => {
  const result = example(["The capital", " of France"], [" is"]);

  it("names the file as TokenLense does, and takes no other's place", async () => {
    const names = [await saveInseq(result), await saveInseq(result), await saveInseq(result, { compress: true })];
    expect(names.map((name) => basename(name))).toEqual([
      "20250403_123045_tiny-model_The_capital_of_France_inseq.json",
      "20250403_123045_tiny-model_The_capital_of_France-2_inseq.json",
      "20250403_123045_tiny-model_The_capital_of_France_inseq.json.gz",
    ]);
    const [plain, , compressed] = await Promise.all(names.map((name) => readFile(name)));
    expect(gunzipSync(compressed as Buffer)).toEqual(plain);
  });

  it("puts it where the Analyzer looks, under names that every file system takes", async () => {
    const file = await saveInseq(
      example(["x"], ["y"], undefined, { modelName: "../../org/..\\My: model", method: "../saliency" }),
      { layout: "analyzer" },
    );
    expect(relative(folder, file)).toBe("data/My_model/method_saliency/data/20250403_123045_My_model_x_inseq.json");
    await expect(saveInseq(result, { layout: "analyzer", compress: true })).rejects.toThrow(code("INPUT"));
  });

  it("writes ASCII, whatever the texts, so that Python reads it on any system", async () => {
    const bytes = await readFile(await saveInseq(example(["日本\ud83d\ude42\u007f"], ["\ud800é"])));
    expect(bytes.every((byte) => byte < 0x7f)).toBe(true);
  });
});

describe("load of Inseq's format", () => {
  it("gives back every bit of the scores, and all else that there is to a result", async () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }));
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    const texts = fc.array(text, { minLength: 1, maxLength: 4 });
    const dimensions = fc.constantFrom(
      ...([{}, { embedding: 3 }, { layer: 2 }, { layer: 2, head: 3 }, { head: 2 }] as Record<string, number>[]),
    );
    await fc.assert(
      fc.asyncProperty(texts, texts, dimensions, fc.boolean(), fc.infiniteStream(float), async (...given) => {
        const [head, rest, own, compress, values] = given;
        const shape = [head.length + rest.length, rest.length, ...Object.values(own)];
        const next = () => values.next().value as number;
        const saved = example(head, rest, undefined, {
          shape,
          dimensions: Object.keys(own),
          // Also where a position does not come before the output: tokens may have been merged.
          scores: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next),
          convergenceDeltas: compress ? Float32Array.from(rest, next) : undefined,
          pathSteps: compress ? Int32Array.from(rest, (_, i) => i) : undefined,
        });
        const loaded = await load(await saveInseq(saved, { compress }));
        expect(loaded.scores).toEqual(saved.scores);
        expect({ ...loaded }).toEqual({ ...saved });
      }),
      { numRuns: 60 },
    );
  });

  it("takes one sequence of several by its index", async () => {
    const one = JSON.parse(await readFile(await saveInseq(example(["a"], ["b"])), "utf8"));
    const other = JSON.parse(await readFile(await saveInseq(example(["Ġc", "d"], ["e", "f"])), "utf8"));
    for (const key of ["input_texts", "generated_texts"]) one.attributes.info[key].push(" c");
    one.attributes.info.generated_texts[1] = " cdef";
    one.attributes.sequence_attributions.push(...other.attributes.sequence_attributions);
    const file = join(folder, "both.json");
    await writeFile(file, JSON.stringify(one));
    expect((await loadAll(file)).map(({ target }) => target)).toEqual(["ab", " cdef"]);
    // What only the first sequence had is not given to the second.
    expect((await load(file)).timings).toEqual({ generate: 0.5, attribute: 0.25 });
    expect(await load(file, { sequence: 1 })).toMatchObject({ prompt: " c", input: " cd", timings: {}, outputs: 2 });
    await expect(load(file, { sequence: 2 })).rejects.toThrow(code("INPUT"));
    await expect(load(file, { sequence: -1 })).rejects.toThrow(code("INPUT"));
    await expect(load(await save(example(["a"], ["b"]), folder), { sequence: 1 })).rejects.toThrow(code("INPUT"));
  });

  it.each([
    ["SentencePiece's", "<s> ▁Hi ▁<0xC3> <0xC3> <0xA9> ▁you", "Hi <0xC3>é you", ["", "Hi", " <0xC3>", "", "é", " you"]],
    ["byte-level", "<s> Hi Ġ, ĠÃ © Ġyou", "Hi , é you", ["", "Hi", " ,", " ", "é", " you"]],
    ["byte-level, of a longer text", "Hi ĠÃ © Ċ", "Hi é\n\n", ["Hi", " ", "é", "\n"]],
    ["decoded but for their marks", "Hi Ġé — ok Ġyou", "Hi é—ok you", ["Hi", " é", "—", "ok", " you"]],
    ["words", "[CLS] Hi é , you", "Hi é, you", ["", "Hi", "é", ",", "you"]],
  ])("finds the texts of tokens that are %s", async (_, tokens, text, places) => {
    const [last = "", ...rest] = tokens.split(" ").reverse();
    const file = await saveInseq(example(rest.reverse(), [last]));
    const stored = JSON.parse(await readFile(file, "utf8"));
    delete stored.attributes.info.tokenlense_native;
    stored.attributes.info.generated_texts = [text];
    await writeFile(file, JSON.stringify(stored));
    const loaded = await load(file);
    expect(loaded.tokens.map(({ start, end }) => loaded.target.slice(start, end))).toEqual(places);
  });

  it("says that scores are not finite, and where", async () => {
    const texts = [
      ["a", "b"],
      ["c", "d"],
    ] as const;
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const file = await saveInseq(example(...texts, (position, output) => (position + output === 3 ? wrong : 1)));
      await expect(load(file)).rejects.toThrow(code("NON_FINITE"));
      await expect(load(file)).rejects.toThrow("of token 2 for output 1");
      const stepScores = { entropy: Float32Array.of(1, wrong) };
      await expect(load(await saveInseq(example(...texts, () => 1, { stepScores })))).rejects.toThrow("entropy");
    }
  });

  it("never looks up the classes that a file names", async () => {
    const text = await readFile(await saveInseq(example(["a"], ["b"])), "utf8");
    const file = join(folder, "classes.json");
    await writeFile(file, text.replaceAll('"inseq.data.attribution"', '"os"').replaceAll('"TokenWithId"', '"system"'));
    expect(await load(file)).toMatchObject({ target: "ab" });
    await writeFile(file, text.replace('"FeatureAttributionOutput"', '"Popen"'));
    await expect(load(file)).rejects.toThrow(code("FORMAT"));
  });
});

describe("a damaged file of Inseq's", () => {
  const lists = {
    __ndarray__: [
      [1, 2],
      ["NaN", 3],
      ["NaN", "NaN"],
    ],
    dtype: "float32",
    shape: [3, 2],
  };
  const plain = {
    info: {},
    sequence_attributions: [
      {
        source: [{ token: "a", id: 1 }],
        target: ["a", "b", "c"].map((token, id) => ({ token, id })),
        target_attributions: lists as unknown,
        step_scores: { probability: [0.5, 0.25] as unknown },
        attr_pos_start: 1,
        attr_pos_end: 3,
      },
    ],
  };
  const changed = (changes: object) => ({
    ...plain,
    sequence_attributions: [{ ...plain.sequence_attributions[0], ...changes }],
  });
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const array = (changes: object) => changed({ target_attributions: { ...lists, ...changes } });
  const bomb = `b64.gz:${gzipSync(Buffer.alloc(10_000_000)).toString("base64")}`;
  const header = (text: string, length = text.length) => {
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(length));
    return Buffer.concat([start, Buffer.from(text), Buffer.alloc(24)]).toString("base64");
  };
  const tensor = (changes: object) =>
    header(JSON.stringify({ attribution: { dtype: "F32", shape: [3, 2], data_offsets: [0, 24], ...changes } }));

  it("is not this one", async () => {
    const file = join(folder, "whole.json");
    for (const whole of [plain, changed({ target_attributions: tensor({}) }), changed({ attr_pos_end: 99 })]) {
      await writeFile(file, JSON.stringify(whole));
      expect(await load(file)).toMatchObject({ target: "abc", shape: [3, 2], method: "unknown" });
    }
    await writeFile(file, JSON.stringify(plain).replaceAll('"NaN"', "NaN"));
    expect([...(await load(file)).scores]).toEqual([1, 2, 0, 3, 0, 0]);
  });

  it.each<[string, object]>([
    ["no sequences", { sequence_attributions: [] }],
    ["another class", { __instance_type__: ["inseq", "Batch"], attributes: {} }],
    ["no class", { __instance_type__: 5 }],
    ["no attributes", { __instance_type__: ["inseq.data.attribution", "FeatureAttributionOutput"] }],
    ["no tokens", changed({ target: [] })],
    ["a token without id", changed({ target: [{ token: "a" }] })],
    ["no outputs", changed({ attr_pos_start: 3 })],
    ["a negative position", changed({ attr_pos_start: -1 })],
    ["no scores", changed({ target_attributions: null })],
    ["scores of no kind", changed({ target_attributions: 7 })],
    ["more outputs than scores", changed({ attr_pos_start: 0 })],
    ["fewer rows than tokens", array({ __ndarray__: [[1, 2]], shape: [1, 2] })],
    ["one dimension", array({ __ndarray__: [1, 2, 3], shape: [3] })],
    [
      "three dimensions besides",
      changed({
        target_attributions: [[[[[1]]], [[[1]]]]].concat([
          [[[[1]]], [[[1]]]],
          [[[[1]]], [[[1]]]],
        ]),
      }),
    ],
    ["another shape", array({ shape: [2, 3] })],
    ["a shape without end", array({ __ndarray__: "b64:AAAA", shape: [2 ** 40, 2 ** 40] })],
    ["rows of unequal length", array({ __ndarray__: [[1, 2], [3], [4, 5]] })],
    [
      "rows of unequal depth",
      array({
        __ndarray__: [
          [1, 2],
          [[3], 4],
          [4, 5],
        ],
      }),
    ],
    ["numbers among rows", array({ __ndarray__: [[1, 2], 3, [4, 5]] })],
    [
      "text among numbers",
      array({
        __ndarray__: [
          [1, "2"],
          [2, 3],
          [4, 5],
        ],
      }),
    ],
    ["lists without end", array({ __ndarray__: "deep" })],
    ["another type", array({ __ndarray__: "b64:AAAA", dtype: "object" })],
    ["a type that every object has", array({ __ndarray__: "b64:AAAA", dtype: "constructor" })],
    ["columns first", array({ __ndarray__: "b64:AAAA", Corder: false })],
    ["an unknown encoding", array({ __ndarray__: "hex:00" })],
    ["too few bytes", array({ __ndarray__: "b64:AAAA" })],
    ["what is not compressed", array({ __ndarray__: "b64.gz:AAAA" })],
    ["a few bytes that become many", array({ __ndarray__: bomb })],
    ["empty safetensors", changed({ target_attributions: "" })],
    ["a header that is too long", changed({ target_attributions: header("{}", 2 ** 50) })],
    ["a header that is no JSON", changed({ target_attributions: header("{") })],
    ["a header without the tensor", changed({ target_attributions: header("{}") })],
    ["a tensor that ends before it begins", changed({ target_attributions: tensor({ data_offsets: [24, 0] }) })],
    ["a tensor that ends after the file", changed({ target_attributions: tensor({ data_offsets: [8, 32] }) })],
    ["a tensor of integers", changed({ target_attributions: tensor({ dtype: "I32" }) })],
    ["a tensor of another shape", changed({ target_attributions: tensor({ shape: [3, 3] }) })],
    ["step scores of another length", changed({ step_scores: { probability: [1] } })],
    ["source and target that differ", changed({ source_attributions: [[[1], [2]]] })],
    ["texts that are none", { ...plain, info: { input_texts: [5] } }],
    ["additions that are none", { ...plain, info: { tokenlense_native: {} } }],
  ])("with %s gives an error of ours that names it", async (_, json) => {
    const file = join(folder, "damaged.json");
    await writeFile(file, JSON.stringify(json).replace('"deep"', deep));
    const error = await loadAll(file).catch((thrown: unknown) => thrown);
    expect(error).toEqual(code("FORMAT"));
    expect((error as TokenlenseError).message).toContain("damaged.json");
    expect((error as TokenlenseError).hint).toBeTruthy();
  });

  it("cut short or changed anywhere gives an error of ours, or a result", async () => {
    const result = example(["The", " cat"], [" sat", "é"]);
    const files = await Promise.all([saveInseq(result), saveInseq(result, { compress: true })]);
    const file = join(folder, "fuzzed.json");
    for (const bytes of await Promise.all(files.map((name) => readFile(name)))) {
      const damage = fc.oneof(
        fc.record({ cut: fc.nat(bytes.length - 2) }),
        fc.record({ at: fc.nat(bytes.length - 1), to: fc.nat(255) }),
      );
      await fc.assert(
        fc.asyncProperty(damage, async (how) => {
          const damaged = Buffer.from("cut" in how ? bytes.subarray(0, how.cut) : bytes);
          if ("at" in how) damaged[how.at] = how.to;
          await writeFile(file, damaged);
          const outcome = await loadAll(file).catch((error: unknown) => error);
          if ("cut" in how || !Array.isArray(outcome)) expect(outcome).toBeInstanceOf(TokenlenseError);
          else for (const { scores } of outcome) expect(scores.every(Number.isFinite)).toBe(true);
        }),
        { numRuns: 2500 },
      );
    }
    expect(await readdir(folder)).toHaveLength(3);
  });
});
