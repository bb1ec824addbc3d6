import { native } from "../../src/install/binding.js";
import type { Model } from "../../src/models/model.js";
import { resolveStep } from "../../src/steps/index.js";

const logit = resolveStep("logit").spec;
const normaliser = {
  name: "normaliser",
  source: "def step(logits: Tensor, targets: Tensor) -> Tensor:\n    return torch.logsumexp(logits, [-1])\n",
};

/** For each token but the first: its logit, and log Σ exp of all logits at its place. */
export async function tokenLogits(model: Model, ids: Int32Array): Promise<{ logit: number[]; normaliser: number[] }> {
  const { stepScores } = await native().attribute(model.native, {
    ids,
    promptLength: 1,
    step: logit,
    stepScores: [logit, normaliser],
    kind: "perturbation",
    perturbation: "none",
    memoryBudget: 2 ** 30,
    engine: "auto",
  }).promise;
  const list = (name: string) => Array.from(stepScores[name]?.data() as Float32Array);
  return { logit: list("logit"), normaliser: list("normaliser") };
}

/** All logits for the token after `ids`. */
export async function lastLogits(model: Model, ids: Int32Array): Promise<number[]> {
  const { logits } = await native().attribute(model.native, {
    ids: Int32Array.from([...ids, 0]),
    promptLength: ids.length,
    step: logit,
    stepScores: [],
    logits: true,
    kind: "perturbation",
    perturbation: "none",
    memoryBudget: 2 ** 30,
    engine: "auto",
  }).promise;
  return Array.from(logits?.data() as Float32Array);
}
