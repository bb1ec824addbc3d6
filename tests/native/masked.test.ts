import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import { uniform } from "../../src/methods/draw.js";
import type { NativeModel, PerturbationPlan } from "../../src/native.js";
import { base, LOGIT, run, SMALL } from "../methods/plans.js";
import { FAMILY, GPT2, randomIds, randomModels, TWIN } from "./random-model.js";

let models: NativeModel[];
beforeAll(async () => {
  // With keys and values to go on from, and without.
  const llama = await randomModels(SMALL, 5, FAMILY, TWIN);
  models = [...llama, ...(await randomModels({ ...SMALL, kvHeads: SMALL.heads }, 5, GPT2))];
});
afterAll(() => {
  for (const model of models) model.dispose();
});

const OTHER = 7;

type Masked = PerturbationPlan & { perturbation: "masked" };

function maskedPlan(ids: Int32Array, promptLength: number, masks: Uint8Array, values: [number, number][]): Masked {
  return {
    ...{ ...base({ ids, promptLength }, LOGIT), kind: "perturbation", perturbation: "masked", stepScores: [] },
    baseline: { kind: "ids", ids: ids.map(() => OTHER) },
    masks,
    texts: Int32Array.from(values, ([text]) => text),
    outputs: Int32Array.from(values, ([, output]) => output),
  };
}

/** One value by a forward pass over that text alone. */
async function plain(model: NativeModel, { ids, promptLength }: Masked, mask: Uint8Array, output: number) {
  const end = promptLength + output;
  const text = ids.slice(0, end + 1).map((id, position) => (position === end || mask[position] ? id : OTHER));
  const plan = {
    ...base({ ids: text, promptLength: end }, LOGIT),
    kind: "perturbation",
    perturbation: "none",
  } as const;
  return (await run(model, plan)).stepScores.logit?.[0] as number;
}

it("every value is that of its text alone, whatever runs beside it", async () => {
  const cases = fc.record({
    length: fc.integer({ min: 2, max: 40 }),
    prompt: fc.integer({ min: 1, max: 39 }),
    texts: fc.integer({ min: 1, max: 30 }),
    // Shares near 0 and 1 give long beginnings that are as the text, or as its replacement.
    share: fc.constantFrom(0, 0.03, 0.5, 0.95, 1),
    budget: fc.constantFrom(2 ** 20, 2 ** 30),
    seed: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ length, prompt, texts, share, budget, seed }) => {
      const promptLength = Math.min(prompt, length - 1);
      const rows = length - 1;
      const next = uniform(seed);
      const masks = Uint8Array.from({ length: texts * rows }, () => (next() < share ? 0 : 1));
      const values = Array.from({ length: 12 }, (): [number, number] => [
        Math.floor(next() * texts),
        Math.floor(next() * (length - promptLength)),
      ]);
      const plan = maskedPlan(randomIds(length, SMALL.vocabulary, seed), promptLength, masks, values);
      for (const model of models) {
        const { scores, shape } = await run(model, { ...plan, memoryBudget: budget });
        expect(shape).toEqual([12]);
        for (const [i, [text, output]] of values.entries()) {
          const alone = await plain(model, plan, masks.subarray(text * rows, (text + 1) * rows), output);
          // Logits are about one in size; a single one may be near zero.
          expect(Math.abs((scores[i] as number) - alone)).toBeLessThan(2e-5 * Math.max(1, Math.abs(alone)));
        }
      }
    }),
    { numRuns: 20 },
  );
});

it("refuses indices that lie outside", async () => {
  const [model] = models as [NativeModel];
  const plan = maskedPlan(randomIds(6, SMALL.vocabulary, 1), 4, new Uint8Array(10), [[0, 0]]);
  const refusal = (changes: Partial<Masked>) => {
    try {
      native().attribute(model, { ...plan, ...changes });
      return "nothing";
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refusal({})).toBe("nothing");
  expect(refusal({ texts: Int32Array.of(2) })).toBe("plan.texts must be indices of masks.");
  expect(refusal({ outputs: Int32Array.of(2) })).toMatch(/^plan.outputs must be/);
  expect(refusal({ outputs: Int32Array.of(0, 1) })).toMatch(/^plan.outputs must be/);
  expect(refusal({ masks: new Uint8Array(9) })).toMatch(/^plan.masks must be whole rows/);
  expect(refusal({ ids: new Int32Array(1), promptLength: 1 })).toMatch(/^plan/);
});
