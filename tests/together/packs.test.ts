import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PlannedContinuation } from "../../src/generate.js";
import type { Contract } from "../../src/models/contract.js";
import type { Model } from "../../src/models/model.js";
import type { AttributionPlan } from "../../src/native.js";
import { cutGenerations, cutPacks, rowsOf } from "../../src/together/packs.js";
import { occlusionPlan, rulesPlan } from "../methods/plans.js";

const contract = { contract: "layered", layers: 30, kvHeads: 3, headDim: 64 } as Contract;
const on = (device: string, kind: Contract["contract"] = "layered") =>
  ({ contract: { ...contract, contract: kind }, native: { device } }) as Model;
const model = on("cpu");

const text = (promptLength: number, outputs: number) => ({ ids: new Int32Array(promptLength + outputs), promptLength });
const planned = (plan: AttributionPlan) => ({ plan });
const saliency = (promptLength: number, outputs: number, rules: "gradient" | "attnlrp" = "gradient") =>
  planned(rulesPlan(text(promptLength, outputs), rules));
const lengths = (packs: { plan: { ids: Int32Array } }[][]) =>
  packs.map((pack) => pack.map(({ plan }) => plan.ids.length));

describe("which texts are attributed together", () => {
  it("counts the rows that a text makes, forward and back", () => {
    expect(rowsOf(text(3, 4))).toBe(6 + (3 + 4 + 5 + 6));
    expect(rowsOf(text(5, 1))).toBe(5 + 5);
  });

  it("are short ones by length, of one kind, and each is in one pack", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 40 }), fc.boolean()), {
          maxLength: 16,
        }),
        (list) => {
          const texts = list.map(([prompt, outputs, lrp]) => saliency(prompt, outputs, lrp ? "attnlrp" : "gradient"));
          const packs = cutPacks(model, texts);
          expect(new Set(packs.flat())).toEqual(new Set(texts));
          expect(packs.flat()).toHaveLength(texts.length);
          for (const pack of packs.filter(({ length }) => length > 1)) {
            const sizes = pack.map(({ plan }) => plan.ids.length);
            expect(Math.max(...sizes)).toBeLessThan(2 * Math.min(...sizes));
            expect(new Set(pack.map(({ plan }) => plan.kind === "gradient" && plan.rules)).size).toBe(1);
            expect(Math.max(...pack.map(({ plan }) => rowsOf(plan)))).toBeLessThanOrEqual(512);
            expect(pack.reduce((sum, { plan }) => sum + rowsOf(plan), 0)).toBeLessThanOrEqual(1536);
          }
        },
      ),
    );
  });

  it("do not hang on the order that they come in, among texts of unlike lengths", () => {
    const texts = [
      saliency(9, 2),
      saliency(3, 4),
      saliency(200, 100),
      saliency(4, 4),
      saliency(10, 2),
      saliency(7, 11),
    ];
    expect(lengths(cutPacks(model, texts))).toEqual([[7, 8, 11, 12], [18], [300]]);
    expect(lengths(cutPacks(model, texts.toReversed()))).toEqual([[7, 8, 11, 12], [18], [300]]);
    expect(
      lengths(
        cutPacks(
          model,
          Array.from({ length: 16 }, () => saliency(7, 11)),
        ),
      ),
    ).toEqual([new Array(10).fill(18), new Array(6).fill(18)]);
  });

  it("go one by one by methods that run otherwise, on other devices and with the minimal contract", () => {
    const alone = [[7], [7]];
    expect(lengths(cutPacks(model, [planned(occlusionPlan(text(3, 4))), planned(occlusionPlan(text(3, 4)))]))).toEqual(
      alone,
    );
    for (const other of [on("cuda:0"), on("cpu", "minimal")])
      expect(lengths(cutPacks(other, [saliency(3, 4), saliency(3, 4)]))).toEqual(alone);
    expect(lengths(cutPacks(model, [saliency(3, 4), saliency(3, 4)]))).toEqual([[7, 7]]);
  });
});

describe("which prompts are continued together", () => {
  const prompt = (length: number, maxNewTokens = 16, memoryBudget?: number) => ({
    planned: { plan: { ids: new Int32Array(length), maxNewTokens } } as PlannedContinuation,
    memoryBudget,
  });
  const cut = (prompts: ReturnType<typeof prompt>[], of = model) =>
    cutGenerations(of, prompts).map((group) => group.map(({ planned }) => planned.plan.ids.length));

  it("are those of about one length: half of what each may be given apart", () => {
    expect(cut([30, 5, 13, 400, 6, 14, 401].map((length) => prompt(length)))).toEqual([
      [5, 6, 13],
      [14],
      [30],
      [400, 401],
    ]);
    expect(cut([prompt(5, 64), prompt(14, 64), prompt(15, 4)])).toEqual([[5, 14], [15]]);
  });

  it("are as many as have room for keys and values", () => {
    // 46,080 bytes a token.
    const sizes = (of: number[][]) => of.map(({ length }) => length);
    expect(sizes(cut(Array.from({ length: 16 }, () => prompt(984))))).toEqual([5, 5, 5, 1]);
    expect(sizes(cut([prompt(984, 16, 2 ** 40), prompt(984, 16, 8 * 46_080 * 1000), prompt(984)]))).toEqual([2, 1]);
  });

  it("go one by one on other devices and with the minimal contract", () => {
    for (const other of [on("cuda:0"), on("cpu", "minimal")])
      expect(cut([prompt(5), prompt(5)], other)).toEqual([[5], [5]]);
  });
});
