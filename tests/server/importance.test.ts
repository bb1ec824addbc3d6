import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { occurrencesOf } from "../../src/server/importance/occurrences.js";
import { tokenImportanceList } from "../../src/server/importance/schemas.js";
import { save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { errorCode, json, resultsFolder, server } from "./running.js";

type Importance = z.output<typeof tokenImportanceList>;

async function get(running: Parameters<typeof json>[0], query = ""): Promise<Importance> {
  const answer = await json<Importance>(running, `/results/importance${query}`);
  expect(tokenImportanceList.parse(answer)).toEqual(answer);
  return answer;
}

const close = (value: number) => expect.closeTo(value, 6);

describe("a result's tokens", () => {
  it("have shares of the outputs after them, whatever the scores' sign", () => {
    // Of the first output a has 1 of 4 and b 3; of the second a has 2 of 8, b 2 and the first output 4.
    const scores = [
      [1, 2],
      [-3, -2],
      [0, 4],
    ];
    const result = example(["a", " b"], [" c", " d"], (position, output) => scores[position]?.[output] as number);
    const [a, b, c] = occurrencesOf(result, "token");
    expect(a).toEqual({
      token: "a",
      role: "prompt",
      position: 0,
      share: close(1 / 4),
      lift: close(0.5 * (2 / 4 + 3 / 4)),
    });
    expect(b).toEqual({
      token: "b",
      role: "prompt",
      position: 1,
      share: close(0.5 * (3 / 4 + 1 / 4)),
      lift: close(0.5 * (6 / 4 + 3 / 4)),
    });
    expect(c).toEqual({ token: "c", role: "target", position: 2, share: close(4 / 8), lift: close(12 / 8) });
  });

  it("can be taken as words, by the place of each one's first token", () => {
    const words = occurrencesOf(example(["The", " cap", "it", "al", " of"], [" x", "y", " z"]), "word");
    expect(words.map(({ token, position, role }) => [token, position, role])).toEqual([
      ["The", 0, "prompt"],
      ["capital", 1, "prompt"],
      ["of", 4, "prompt"],
      ["xy", 5, "target"],
    ]);
  });

  it("share each output out among them: of the prompt and one output, shares sum to 1", () => {
    fc.assert(
      fc.property(fc.array(fc.float({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 9 }), (scores) => {
        const result = example(
          scores.map((_, i) => ` t${i}`),
          [" x"],
          (position) => scores[position] as number,
        );
        const shares = occurrencesOf(result, "token").map(({ share }) => share);
        const all = shares.reduce((sum, share) => sum + share, 0);
        const none = scores.every((score) => Math.abs(score) < 1e-9);
        if (!none) expect(all).toBeCloseTo(1, 4);
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("/results/importance", () => {
  it("takes a token's places in all results together, the largest total first", async () => {
    const folder = resultsFolder();
    const heavy = (which: number) => (position: number) => (position === which ? 3 : 1);
    const first = basename(await save(example(["the", " sky"], [" x"], heavy(1)), folder));
    const later = { timestamp: new Date("2025-05-01T00:00:00Z"), method: "lime", modelName: "org/other" };
    const second = basename(await save(example([" sky", " the", " sky"], [" y"], heavy(2), later), folder));
    const running = await server({ folder });
    const whole = await get(running);
    expect(whole).toMatchObject({ tokens: 2, results: 2, matching: 2, damaged: [] });
    expect(whole.items).toEqual([
      {
        ...{ token: "sky", occurrences: 3, results: 2 },
        ...{ total: close(3 / 4 + 1 / 5 + 3 / 5), mean: close((3 / 4 + 1 / 5 + 3 / 5) / 3), most: close(3 / 4) },
        lift: close((2 * (3 / 4) + 3 * (1 / 5) + 3 * (3 / 5)) / 3),
        places: [
          { id: first, position: 1, share: close(3 / 4) },
          { id: second, position: 2, share: close(3 / 5) },
        ],
      },
      expect.objectContaining({ token: "the", occurrences: 2, total: close(1 / 4 + 1 / 5) }),
    ]);
    for (const filter of ["method=lime", "model=OTHER", "text=the%20sky&model=other"])
      expect(await get(running, `?${filter}`)).toMatchObject({
        results: 1,
        items: [{ token: "sky", occurrences: 2 }, {}],
      });
    expect(await get(running, "?method=none")).toMatchObject({ items: [], results: 0, matching: 0 });
  });

  it("tells prompt from continuation, tokens from words", async () => {
    const folder = resultsFolder();
    await save(example(["a", " b", "c"], [" d", "e", " f"]), folder);
    const running = await server({ folder });
    const tokens = async (query: string) => (await get(running, query)).items.map(({ token }) => token).sort();
    expect(await tokens("")).toEqual(["a", "b", "c"]);
    expect(await tokens("?part=target")).toEqual(["d", "e"]);
    expect(await tokens("?part=all&unit=word")).toEqual(["a", "bc", "de"]);
    expect(await json(running, "/results/importance?unit=letter", 400)).toEqual(errorCode("INPUT"));
  });

  it("reads a file again that has changed", async () => {
    const folder = resultsFolder();
    const file = await save(example(["one"], [" x"]), folder);
    const running = await server({ folder });
    expect(await get(running)).toMatchObject({ items: [{ token: "one" }] });
    await writeFile(file, JSON.stringify(example(["two"], [" x"]).toJSON()));
    await expect.poll(async () => (await get(running)).items.map(({ token }) => token)).toEqual(["two"]);
  });

  it("goes on where a result has no words, and says so", async () => {
    const folder = resultsFolder();
    const stepScores = { perplexity: Float32Array.of(1e30, 1e30) };
    const id = basename(await save(example(["bad"], [" x", "y"], undefined, { stepScores }), folder));
    await save(example(["good"], [" x"]), folder);
    const running = await server({ folder });
    const words = await get(running, "?unit=word");
    expect(words).toMatchObject({ items: [{ token: "good" }], results: 1, matching: 2 });
    expect(words.damaged).toEqual([
      { id, code: "ERR_TOKENLENSE_NON_FINITE", message: expect.stringContaining("perplexity") },
    ]);
    expect(await get(running)).toMatchObject({ results: 2, tokens: 2, damaged: [] });
  });
});
