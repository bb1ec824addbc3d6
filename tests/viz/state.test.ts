import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changedState, initialState, type LensState } from "../../src/viz/page/state.js";

const place = fc.nat({ max: 50 });
const pinned = fc
  .record({ result: place, position: place, length: fc.integer({ min: 2, max: 9 }) })
  .map(({ result, position, length }) => ({ result, position, end: position + length }));
const state: fc.Arbitrary<LensState> = fc.record({
  normalisation: fc.constantFrom("inseq", "raw", "rescale", "tokenlense"),
  strength: fc.double({ min: 0, max: 1, noNaN: true }),
  topK: fc.nat(),
  step: fc.option(fc.string()),
  unit: fc.constantFrom("token", "word"),
  zoom: fc.option(fc.double({ min: 3, max: 56, noNaN: true })),
  cloud: fc.boolean(),
  pinned: fc.option(pinned),
});

describe("changedState", () => {
  it("takes any state, and again after JSON", () => {
    fc.assert(
      fc.property(state, (wanted) => {
        expect(changedState(initialState, wanted)).toEqual(wanted);
        const read = JSON.parse(JSON.stringify(wanted)) as unknown;
        expect(JSON.stringify(changedState(initialState, read))).toBe(JSON.stringify(wanted));
      }),
    );
  });

  it("changes what is named and nothing else", () => {
    fc.assert(
      fc.property(
        state,
        state,
        fc.subarray(Object.keys(initialState) as (keyof LensState)[]),
        (before, wanted, keys) => {
          const changes = Object.fromEntries(keys.map((key) => [key, wanted[key]]));
          expect(changedState(before, changes)).toEqual({ ...before, ...changes });
        },
      ),
    );
  });

  it("is a state whatever it is given", () => {
    const keys = Object.keys(initialState);
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...keys), fc.anything())), (given) => {
        const { normalisation, strength, topK, zoom, unit, pinned, cloud } = changedState(initialState, given);
        expect(["inseq", "raw", "rescale", "tokenlense"]).toContain(normalisation);
        expect(["token", "word"]).toContain(unit);
        expect(typeof cloud).toBe("boolean");
        expect(strength >= 0 && strength <= 1 && Number.isSafeInteger(topK) && topK >= 0).toBe(true);
        expect(zoom === null || (zoom >= 3 && zoom <= 56)).toBe(true);
        expect(pinned === null || pinned.position >= 0).toBe(true);
      }),
    );
  });

  it.each([
    [{ strength: 2 }, { strength: 1 }],
    [{ strength: -1, topK: -3, zoom: 1000 }, { zoom: 56 }],
    [{ topK: 2.7 }, { topK: 2 }],
    [{ normalisation: "toString", unit: "words", strength: "1", topK: Number.NaN, cloud: 1 }, {}],
    [{ pinned: { result: 0, position: 4, end: 5, source: 4 } }, { pinned: { result: 0, position: 4 } }],
    [{ pinned: { result: 0, position: 4, source: 1 } }, { pinned: { result: 0, position: 4, source: 1 } }],
    [{ pinned: { result: 0 } }, {}],
    [{ pinned: { result: -1, position: 4 } }, {}],
    [{ theme: "dark" }, {}],
  ])("reads %j", (given, changes) => {
    expect(changedState(initialState, given)).toEqual({ ...initialState, ...changes });
  });
});
