import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { AggregationStep } from "../../src/aggregation/index.js";
import { Attribution } from "../../src/result.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";

const code = (name: string, rest: object = {}) => expect.objectContaining({ code: `ERR_TOKENLENSE_${name}`, ...rest });
const column = (result: Attribution, output: number) =>
  result.tokens.map((_, position) => result.tokenScores[position * result.outputs + output] as number);

/** "The unbelievable cat sat quietly": six tokens of prompt, of which the last goes on in the first of four outputs. */
const sentence = () => example(["The", " un", "believ", "able", " c"], ["at", " sat", " quiet", "ly"]);
const kept = (width: number, dimensions: string[]) =>
  example(["a", " b"], ["c"], undefined, {
    shape: [3, 1, width],
    dimensions,
    scores: Float32Array.from({ length: 3 * width }, (_, i) => (i < 2 * width ? i + 1 : 0)),
  });

describe("aggregate", () => {
  it("merges forms, texts, ids and step scores", () => {
    const { tokens, promptLength, stepScores, outputs } = sentence().aggregate("subwords");
    expect(promptLength).toBe(2);
    expect(outputs).toBe(3);
    expect(tokens).toEqual([
      { token: "The", text: "The", id: 0, role: "prompt", start: 0, end: 3 },
      { token: "Ġunbelievable", text: " unbelievable", id: -1, role: "prompt", start: 3, end: 16 },
      { token: "Ġcat", text: " cat", id: -1, role: "target", start: 16, end: 20 },
      { token: "Ġsat", text: " sat", id: 6, role: "target", start: 20, end: 24 },
      { token: "Ġquietly", text: " quietly", id: -1, role: "target", start: 24, end: 32 },
    ]);
    expect(stepScores.probability?.[0]).toBeCloseTo(1 / 3, 6);
    expect(stepScores.probability?.[2]).toBeCloseTo(1 / 5 / 6, 6);
  });

  it("leaves a merged output a score for itself with absmax, and with no other function", () => {
    const merged = (name: "absmax" | "max") => column(sentence().aggregate({ by: "subwords", function: name }), 2);
    expect(merged("absmax")).toEqual([1 / 4, 1, 6 / 4, 7 / 4, 8 / 5].map(Math.fround));
    expect(merged("max")).toEqual([1 / 4, 1, 6 / 4, 7 / 4, 0].map(Math.fround));
  });

  it("keeps only parts of the prompt, and reads spans by the positions that are left", () => {
    const result = sentence().aggregate([
      {
        by: "slices",
        spans: [
          [1, 4],
          [6, 7],
        ],
      },
      { by: "spans", spans: [[1, 3]], function: "sum" },
    ]);
    expect(result.tokens.map(({ text }) => text)).toEqual([" un", "believable", "at", " sat", " quiet", "ly"]);
    expect(column(result, 0)).toEqual([2 / 2, 3.5, 0, 0, 0, 0].map(Math.fround));
    expect(sentence().aggregate({ by: "slices", spans: [] }).promptLength).toBe(0);
  });

  it("compares two attributions, token by token", () => {
    const [first, second] = [example(["a", " dog"], ["!"], () => 1), example(["a", " cat"], ["!"], (p) => p + 3)];
    const change = first.aggregate({ by: "pair", with: second });
    expect(column(change, 0)).toEqual([2, 3, 0]);
    expect(change.tokens[0]).toEqual(first.tokens[0]);
    expect(change.tokens[1]).toMatchObject({ token: "Ġdog → Ġcat", text: " dog →  cat", id: -1 });
    expect(change.stepScores.probability).toEqual(Float32Array.of(0));
    const ratio = first.aggregate({ by: "pair", with: second, function: (a, b) => b / a });
    expect(column(ratio, 0), "0 / 0 is not asked for after the output").toEqual([3, 4, 0]);
  });

  it("takes one of an attribution's own dimensions at a time, the last first", () => {
    const heads = kept(4, ["layer", "head"]);
    const two = new Attribution({ ...heads, scores: heads.scores, shape: [3, 1, 2, 2] });
    const once = two.aggregate("max");
    expect(once).toMatchObject({ shape: [3, 1, 2], dimensions: ["layer"] });
    expect([...once.scores]).toEqual([2, 4, 6, 8, 0, 0]);
    expect([...once.tokenScores]).toEqual([3, 7, 0]);
    expect([...two.tokenScores]).toEqual([2.5, 6.5, 0]);
    expect([...two.aggregate({ by: "scores", select: 1 }).scores]).toEqual([2, 4, 6, 8, 0, 0]);
  });

  it("outlives what it was made of", () => {
    const memory = Float32Array.of(1, 2);
    const original = new Attribution({ ...example(["a"], ["b"]), scores: memory }, () => memory.fill(9));
    const made = [original.aggregate([]), original.aggregate("subwords"), original.normalised("rescale")];
    original.dispose();
    expect(made.map(({ scores }) => [...scores])).toEqual([
      [1, 2],
      [1, 2],
      [0.5, 1],
    ]);
    expect(() => original.aggregate("subwords")).toThrow(code("DISPOSED"));
    expect(() => original.normalised("inseq")).toThrow(code("DISPOSED"));
    expect(() => made[0]?.aggregate({ by: "pair", with: original })).toThrow(code("DISPOSED"));
  });

  it("can be stored, even where the prompt became part of the first output", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
    try {
      for (const result of [sentence().aggregate("subwords"), sentence().aggregate({ by: "spans", spans: [[0, 6]] })]) {
        const loaded = await load(await save(result, folder));
        expect({ ...loaded }).toEqual({ ...result });
        expect(loaded.scores).toEqual(result.scores);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("aggregate says what is wrong:", () => {
  const wrong = (step: unknown, of: Attribution = sentence()) =>
    expect(() => of.aggregate(step as AggregationStep), JSON.stringify(step));

  it("names, with the nearest", () => {
    wrong("subword").toThrow(code("INPUT", { hint: "Did you mean subwords?" }));
    wrong("vnrm").toThrow(code("INPUT", { hint: "Did you mean vnorm?" }));
    wrong({ by: "span", spans: [] }).toThrow(code("INPUT", { hint: "Did you mean spans?" }));
    wrong({ by: "subwords", function: "absmx" }).toThrow(code("INPUT", { hint: "Did you mean absmax?" }));
    for (const name of ["toString", "__proto__", ""]) {
      wrong(name).toThrow(code("INPUT"));
      wrong({ by: name }).toThrow(code("INPUT"));
      wrong({ by: "subwords", function: name }).toThrow(code("INPUT"));
    }
  });

  it.each([
    [[[3, 3]], "is empty"],
    [[[5, 3]], "is empty"],
    [[[-1, 2]], "is not within the sequence, which has 9 tokens"],
    [[[3, 10]], "is not within the sequence, which has 9 tokens"],
    [
      [
        [0, 3],
        [2, 5],
      ],
      "overlaps the one given before it, [0, 3]",
    ],
    [
      [
        [0, 3],
        [0, 3],
      ],
      "overlaps the one given before it, [0, 3]",
    ],
    [
      [
        [4, 6],
        [0, 3],
      ],
      "comes before the one given before it, [4, 6]",
    ],
  ] as const)("spans %j", (spans, message) => {
    for (const by of ["spans", "slices"]) {
      wrong({ by, spans }).toThrow(code("INPUT"));
      wrong({ by, spans }).toThrow(message);
    }
    // They are those of the second step's sequence.
    expect(() => sentence().aggregate(["subwords", { by: "spans", spans: [[5, 6]] }])).toThrow("which has 5 tokens");
  });

  it("what is missing, unknown or of another kind, with its place", () => {
    wrong("spans").toThrow(/0\.spans/);
    wrong(["subwords", { by: "slices", spans: [[1.5, 2]] }]).toThrow(/1\.spans\.0\.0/);
    wrong({ by: "subwords", fn: "sum" }).toThrow(/fn/);
    wrong({ by: "split", pattern: 3 }).toThrow(/0\.pattern: expected a regular expression/);
    wrong({ by: "split", pattern: "(" }).toThrow(code("INPUT"));
    wrong({ by: "split", pattern: "a", mode: "both" }).toThrow(/0\.mode/);
    wrong({ by: "pair" }).toThrow(/0\.with: expected an attribution/);
    wrong({ by: "pair", with: sentence(), function: "sum" }).toThrow(/0\.function: expected a function/);
    for (const step of [null, undefined, 5, {}, [[]]]) wrong(step).toThrow(code("INPUT"));
  });

  it("dimensions and places that there are not", () => {
    wrong("vnorm").toThrow(code("INPUT", { message: expect.stringContaining("no dimension") }));
    const select = (selection: unknown) => wrong({ by: "scores", select: selection }, kept(4, ["embedding"]));
    for (const selection of [
      4,
      -5,
      [0, 4],
      [],
      [1, 1],
      [1, -3],
      { from: 2, to: 2 },
      { from: 0, to: 5 },
      { from: 1 },
      "1",
      0.5,
    ])
      select(selection).toThrow(code("INPUT"));
    select([1, -3]).toThrow("select: -3 is there twice.");
  });

  it("a pair of different shapes or step scores", () => {
    const pair = (second: Attribution) => wrong({ by: "pair", with: second });
    pair(example(["a"], ["b"])).toThrow(
      "the first is [9, 4] with 5 prompt tokens, the second [2, 1] with 1 prompt tokens",
    );
    pair(example(["a", "b", "c", "d"], ["e", "f", "g", "h", "i"])).toThrow(code("INPUT"));
    pair(new Attribution({ ...sentence(), scores: sentence().scores, stepScores: {} })).toThrow("probability");
    wrong({ by: "pair", with: kept(4, ["head"]) }, kept(4, ["embedding"])).toThrow(code("INPUT"));
  });

  it("scores that become infinite, or NaN", () => {
    const large = example(["a", "b"], ["c", "d"], () => 1e30, {
      stepScores: { perplexity: Float32Array.of(1e30, 1e30) },
    });
    wrong({ by: "spans", spans: [[0, 2]], function: "prod" }, large).toThrow(code("NON_FINITE"));
    wrong({ by: "spans", spans: [[2, 4]] }, large).toThrow(
      code("NON_FINITE", { message: expect.stringContaining("perplexity") }),
    );
    wrong({ by: "pair", with: sentence(), function: () => Number.NaN }).toThrow(code("NON_FINITE"));
  });
});
