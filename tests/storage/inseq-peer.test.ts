import { mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Attribution, AttributionData } from "../../src/result.js";
import { load, loadAll, save } from "../../src/storage/results.js";
import { example } from "../example.js";
import { inseqPython } from "./inseq-python.js";

/** What inseq_files.py says of a tensor. */
interface Bits {
  shape: number[];
  bits: string;
}
interface Sequence {
  kind: string;
  source: [token: string, id: number][];
  target: [token: string, id: number][];
  start: number;
  end: number;
  source_attributions: Bits | null;
  target_attributions: Bits | null;
  step_scores: Record<string, Bits>;
  sequence_scores: string[];
}
type Described = Record<string, { info: Record<string, unknown>; sequences: Sequence[]; shown?: boolean }>;

const folder = mkdtempSync(join(tmpdir(), "tokenlense-inseq-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const inside = (...names: string[]) => join(folder, ...names);
let python: Awaited<ReturnType<typeof inseqPython>>;
beforeAll(async () => {
  python = await inseqPython();
});

const floats = ({ bits }: Bits) => new Float32Array(Uint8Array.from(Buffer.from(bits, "base64")).buffer);
const bytes = (scores: Float32Array) => Buffer.from(scores.buffer, scores.byteOffset, scores.byteLength);
const base64 = (scores: Float32Array) => bytes(scores).toString("base64");
const zeroed = (scores: Float32Array) => scores.map((score) => (Number.isNaN(score) ? 0 : score));

describe("files that Inseq saves", () => {
  let written: Described;
  beforeAll(() => {
    written = python("theirs", inside("theirs")) as Described;
  });

  it("give every bit of every score, whatever way they were saved", async () => {
    expect(Object.keys(written).sort()).toEqual((await readdir(inside("theirs"))).sort());
    for (const [name, { sequences }] of Object.entries(written)) {
      const loaded = await loadAll(inside("theirs", name));
      expect(loaded, name).toHaveLength(sequences.length);
      sequences.forEach((theirs, i) => {
        const ours = loaded[i] as Attribution;
        const parts = [theirs.source_attributions, theirs.target_attributions];
        const both = parts.flatMap((part) => (part ? [...zeroed(floats(part))] : []));
        // A translation's source alone was attributed: nothing is known of the target's own tokens.
        const scores = Float32Array.from({ length: ours.scores.length }, (_, place) => both[place] ?? 0);
        expect(both.length, name).toBe(
          theirs.target_attributions ? scores.length : (scores.length * theirs.source.length) / ours.tokens.length,
        );
        expect(base64(ours.scores), name).toBe(base64(scores));
        const { deltas, ...steps } = theirs.step_scores;
        expect(Object.keys(ours.stepScores).sort()).toEqual(Object.keys(steps).sort());
        for (const [step, stored] of Object.entries(steps))
          expect(base64(ours.stepScores[step] as Float32Array)).toBe(stored.bits);
        expect(ours.convergenceDeltas && base64(ours.convergenceDeltas)).toBe(deltas?.bits);
      });
    }
    expect(written["deltas_inseq.json"]?.sequences[0]?.step_scores.deltas).toBeDefined();
    expect(written["source_inseq.json"]?.sequences[0]?.sequence_scores).toHaveLength(2);
  });

  it("give tokens, their texts and places, and what was asked", async () => {
    for (const [name, { info, sequences }] of Object.entries(written)) {
      const loaded = await loadAll(inside("theirs", name));
      sequences.forEach((theirs, i) => {
        const { tokens, promptLength, outputs, ...ours } = loaded[i] as Attribution;
        const encoded = theirs.source_attributions ? theirs.source : [];
        expect(tokens.map(({ token, id }) => [token, id])).toEqual([...encoded, ...theirs.target.slice(0, theirs.end)]);
        expect({ promptLength, outputs }, name).toEqual({
          promptLength: encoded.length + theirs.start,
          outputs: theirs.end - theirs.start,
        });
        expect(ours, name).toMatchObject({
          prompt: (info.input_texts as string[])[i],
          method: info.attribution_method,
          step: "probability",
          modelName: info.model_class,
        });
      });
    }
    const [accents] = await loadAll(inside("theirs", "saliency_inseq.json"));
    expect(accents).toMatchObject({ target: "Café 🙂 at né\n", input: "Café 🙂 at", dimensions: ["embedding"] });
    expect(accents?.tokens.map(({ text }) => text)).toEqual(
      ["C", "a", "f", "", "é", " ", "", "", "", "🙂", " ", "a", "t", " ", "n", "", "é", "\n"], //
    );
    for (const { text, start, end } of accents?.tokens ?? []) expect(accents?.target.slice(start, end)).toBe(text);
    const words = await load(inside("theirs", "words_inseq.json"));
    expect(words.tokens.map(({ text }) => text)).toEqual(["Café", " 🙂", " at", " né", "\n"]);
    expect(words).toMatchObject({ promptLength: 3, dimensions: [], shape: [5, 2] });
    expect(await load(inside("theirs", "part_inseq.json"))).toMatchObject({
      target: "Café 🙂 at né",
      promptLength: 14,
    });
    expect(await load(inside("theirs", "attention_inseq.json"), { sequence: 1 })).toMatchObject({
      dimensions: ["layer", "head"],
      shape: [5, 2, 2, 2],
      target: "A b c",
    });
    expect(await load(inside("theirs", "generated_inseq.json"))).toMatchObject({ generation: { maxNewTokens: 3 } });
    const translation = await load(inside("theirs", "translation_inseq.json"));
    expect(translation.target).toBe("Café 🙂 at\nCafé 🙂 at né\n");
    expect(translation.tokens[13]).toMatchObject({ token: "<|endoftext|>", role: "prompt", start: 11, end: 11 });
  });

  it("are the same to Inseq after they went through ours", async () => {
    const saved = new Map<string, Sequence>();
    for (const name of ["saliency", "aggregated", "words", "deltas", "attention", "generated", "half"]) {
      const { sequences } = written[`${name}_inseq.json`] as Described[string];
      for (const [i, ours] of (await loadAll(inside("theirs", `${name}_inseq.json`))).entries()) {
        const theirs = sequences[i] as Sequence;
        // Without a dimension to merge it is not granular: shown by that class, Inseq would merge the outputs.
        const kind = ours.dimensions.length === 0 ? "CoarseFeatureAttributionSequenceOutput" : theirs.kind;
        saved.set(basename(await save(ours, inside("ours"), { format: "inseq" })), { ...theirs, kind });
      }
    }
    const found = python("resave", inside("ours"), inside("again")) as Described;
    expect(Object.keys(found)).toHaveLength(saved.size);
    // Of words, Inseq's source is not the beginning of its target: there it does not merge the last word.
    for (const [name, theirs] of saved)
      expect(found[name]?.sequences, name).toEqual([{ ...theirs, source: theirs.target.slice(0, theirs.start) }]);
  });
});

describe("files of ours", () => {
  const scores = (rows: number, outputs: number, inner: number, promptLength: number) =>
    Float32Array.from({ length: rows * outputs * inner }, (_, i) => {
      const before = Math.floor(i / inner / outputs) < promptLength + (Math.floor(i / inner) % outputs);
      return before ? Math.sin(i + 1) * 10 ** ((i % 60) - 30) : 0;
    });
  const texts = [
    ["Ca", "fé", " 🙂", "\n"],
    [" \u0000", "\ud800", "日本"],
  ] as const;
  const dimensional = (dimensions: string[], sizes: number[], changes: Partial<AttributionData> = {}) =>
    example(...texts, undefined, {
      dimensions,
      shape: [7, 3, ...sizes],
      scores: scores(
        7,
        3,
        sizes.reduce((a, b) => a * b, 1),
        4,
      ),
      ...changes,
    });
  const results: Record<string, Attribution> = {
    plain: dimensional([], []),
    embedding: dimensional(["embedding"], [5], {
      convergenceDeltas: Float32Array.of(1e-30, -0.1, 3),
      pathSteps: Int32Array.of(8, 16, 32),
      method: "integrated_gradients",
    }),
    layers: dimensional(["layer", "head"], [2, 3], { method: "attention", generation: undefined, stats: undefined }),
    head: dimensional(["head"], [3], { step: undefined, timings: {} }),
  };

  it("are loaded, shown and saved by Inseq, and come back without a changed bit", async () => {
    const files = new Map<string, Attribution>();
    for (const [name, result] of Object.entries(results))
      for (const compress of [false, true]) {
        const named = { ...result, scores: result.scores, modelName: `org/${name}` };
        const changed = example(...texts, undefined, named);
        files.set(basename(await save(changed, inside("made"), { format: "inseq", compress })), changed);
      }
    const found = python("resave", inside("made"), inside("back")) as Described;
    expect(Object.keys(found).sort()).toEqual([...files.keys()].sort());
    for (const [name, result] of files) {
      const { sequences, shown, info } = found[name] as Described[string];
      expect(shown, name).toBe(true);
      expect(info).toMatchObject({ attribution_method: result.method, model_name: result.modelName });
      const [theirs] = sequences as [Sequence];
      expect(theirs.target_attributions?.shape).toEqual(result.shape);
      const seen = floats(theirs.target_attributions as Bits);
      expect(base64(zeroed(seen))).toBe(base64(result.scores));
      const inner = seen.length / 21;
      seen.forEach((score, i) => {
        expect(Number.isNaN(score)).toBe(Math.floor(i / inner / 3) >= 4 + (Math.floor(i / inner) % 3));
      });
      const back = await load(inside("back", name));
      expect(base64(back.scores), name).toBe(base64(result.scores));
      expect({ ...back }, name).toEqual({ ...result });
    }
  });
});
