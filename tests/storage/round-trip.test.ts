import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Attribution } from "../../src/result.js";
import { load, save } from "../../src/storage/results.js";
import { example } from "../example.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tokenlense-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Any finite float32 by its bits, and often those that a text loses most easily. */
const float = fc.oneof(
  fc
    .integer({ min: 0, max: 2 ** 32 - 1 })
    .map((bits) => new Float32Array(Uint32Array.of(bits).buffer)[0] as number)
    .filter(Number.isFinite),
  fc.constantFrom(-0, 2 ** -149, -(2 ** -149), (2 - 2 ** -23) * 2 ** 127, 16777217),
);

/** With lone surrogates, controls, marks that turn the text around, and characters of several code units. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: fc.constantFrom("\ud800", "\udfff", "\0", "\x1b", "\u202e", "\u2028", "\ufeff", '"', "\\", "🙂") }),
);

const sizes = { "": [], embedding: [3], "layer head": [2, 2], head: [1] } as const;

const result = fc
  .record({
    head: fc.array(text, { maxLength: 4 }),
    rest: fc.array(text, { minLength: 1, maxLength: 4 }),
    kind: fc.constantFrom(...(Object.keys(sizes) as (keyof typeof sizes)[])),
    values: fc.infiniteStream(float),
    deltas: fc.boolean(),
    steps: fc.boolean(),
  })
  .map(({ head, rest, kind, values, deltas, steps }): Attribution => {
    const outputs = rest.length;
    const shape = [head.length + outputs, outputs, ...sizes[kind]];
    const floats = (count: number) => Float32Array.from({ length: count }, () => values.next().value as number);
    return example(head, rest, undefined, {
      shape,
      dimensions: kind.split(" ").filter(Boolean),
      scores: floats(shape.reduce((product, size) => product * size)),
      stepScores: { logit: floats(outputs), entropy: floats(outputs) },
      convergenceDeltas: deltas ? floats(outputs) : undefined,
      pathSteps: steps ? Int32Array.from(rest, (_, i) => 50 - i) : undefined,
    });
  });

const bits = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

it("saved and loaded, a result is the same: shape, texts, and every bit of its numbers", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(result, async (saved) => {
      const loaded = await load(await save(saved, folder));
      expect(bits(loaded.scores)).toEqual(bits(saved.scores));
      expect({ ...loaded }).toEqual({ ...saved }); // toEqual tells −0 from 0
      seen.add(saved.dimensions.join());
    }),
    { numRuns: 250 },
  );
  expect(seen).toEqual(new Set(["", "embedding", "layer,head", "head"]));
});
