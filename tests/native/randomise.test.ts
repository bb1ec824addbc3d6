import { expect, it } from "vitest";
import { native } from "../../src/install/binding.js";
import type { NativeModel, RandomisationPlan } from "../../src/native.js";
import { base, SMALL } from "../methods/plans.js";
import { FAMILY, randomIds, randomModels, TWIN } from "./random-model.js";

// Ids within the shortest of the weights, whose values stand for logits.
const text = { ids: randomIds(9, SMALL.width, 2), promptLength: 3 };
const all: RandomisationPlan = { seed: 1, layers: SMALL.layers, rest: true };

/** A model that says what it is made of: its logits are the values of one weight, of one layer. */
const tells = (weight: string, sorted: boolean) => `
def embed(self, ids: Tensor) -> Tensor:
    return torch.embedding(self.embedding, ids)
def layer(self, i: int, x: Tensor) -> Tensor:
    return x
def final(self, x: Tensor) -> Tensor:
    return x * self.final_norm
def logits(self, h: Tensor) -> Tensor:
    w = torch.flatten(self.${weight})
    ${sorted ? "w = torch.sort(w)[0]" : ""}
    unused = torch.sum(self.head) + torch.sum(self.qkv)
    return torch.unsqueeze(w, 0).repeat([h.size(0), 1])
`;

async function logits(model: NativeModel): Promise<Float32Array> {
  const plan = { ...base(text), kind: "perturbation", perturbation: "none", logits: true } as const;
  const outcome = await native().attribute(model, plan).promise;
  return Float32Array.from(outcome.logits?.data() as Float32Array);
}

async function randomised(model: NativeModel, plan: RandomisationPlan): Promise<Float32Array> {
  const copy = await native().randomise(model, plan).promise;
  expect(copy.bytes).toBe(model.bytes);
  const values = await logits(copy);
  copy.dispose();
  return values;
}

// Of a mixture with an MLP in its first layer, each is stacked over the layers that have it.
const MIXED = { ...SMALL, experts: { count: 3, used: 2, normalised: true, shared: 0, without: [0] } };

it.each(["embedding", "head", "final_norm", "qkv[0]", "qkv[1]", "gate_up[0]", "experts_down[0]"])(
  "%s keeps its values, in an order that the seed decides, and the model itself is left alone",
  async (weight) => {
    const sizes = weight === "gate_up[0]" || weight === "experts_down[0]" ? MIXED : SMALL;
    const [ordered, model] = (await randomModels(sizes, 3, tells(weight, true), tells(weight, false))) as [
      NativeModel,
      NativeModel,
    ];
    const [before, sorted] = [await logits(model), await logits(ordered)];
    expect(await randomised(ordered, all)).toEqual(sorted);
    const first = await randomised(model, all);
    expect(first).not.toEqual(before);
    expect(await randomised(model, all)).toEqual(first);
    expect(await randomised(model, { ...all, seed: 2 })).not.toEqual(first);
    // From the head down: what a stage changes, later stages change in the same way.
    const least =
      {
        ...{ embedding: Number.POSITIVE_INFINITY, head: 0, final_norm: 0, "qkv[0]": 2, "qkv[1]": 1 },
        ...{ "gate_up[0]": 2, "experts_down[0]": 1 },
      }[weight] ?? 0;
    for (const layers of [0, 1, 2, 9])
      expect(await randomised(model, { seed: 1, layers, rest: false })).toEqual(layers >= least ? first : before);
    expect(await logits(model)).toEqual(before);
    for (const each of [ordered, model]) each.dispose();
  },
);

it("a model without layers can be randomised as a whole only", async () => {
  const [family, minimal] = (await randomModels(SMALL, 3, FAMILY, TWIN)) as [NativeModel, NativeModel];
  await expect(native().randomise(minimal, { seed: 0, layers: 1, rest: false }).promise).rejects.toMatchObject({
    code: "ERR_TOKENLENSE_CAPABILITY",
  });
  const before = await logits(minimal);
  const after = await randomised(minimal, all);
  expect(after).not.toEqual(before);
  expect(after.every(Number.isFinite)).toBe(true);
  for (const each of [family, minimal]) each.dispose();
});
