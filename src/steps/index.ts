import { unknownName } from "../nearest.js";
import { crossentropy } from "./crossentropy.js";
import { entropy } from "./entropy.js";
import { logit } from "./logit.js";
import { perplexity } from "./perplexity.js";
import { probability } from "./probability.js";
import type { StepFunction } from "./step.js";

export type { StepFunction } from "./step.js";

const registry = { probability, logit, crossentropy, entropy, perplexity };

export type StepName = keyof typeof registry;

/** Every step function, by name. Definitions are those of Inseq 0.7.1. */
export const steps: Readonly<Record<StepName, StepFunction>> = registry;

/** @throws ERR_TOKENLENSE_INPUT with the nearest names. */
export function findStep(name: string): StepFunction {
  if (Object.hasOwn(registry, name)) return registry[name as StepName];
  throw unknownName("step function", name, Object.keys(registry));
}
