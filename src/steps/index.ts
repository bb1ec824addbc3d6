import type { z } from "zod";
import { TokenlenseError } from "../errors.js";
import type { PlanBase, StepFunctionSpec } from "../native.js";
import { unknownName } from "../nearest.js";
import { parseOptions } from "../options.js";
import { contrastLogits } from "./contrast_logits.js";
import { contrastLogitsDiff } from "./contrast_logits_diff.js";
import { contrastProb } from "./contrast_prob.js";
import { contrastProbDiff } from "./contrast_prob_diff.js";
import { crossentropy } from "./crossentropy.js";
import { entropy } from "./entropy.js";
import { inContextPvi } from "./in_context_pvi.js";
import { klDivergence } from "./kl_divergence.js";
import { logit } from "./logit.js";
import { mcDropoutProbAvg } from "./mc_dropout_prob_avg.js";
import { pcxmi } from "./pcxmi.js";
import { perplexity } from "./perplexity.js";
import { probability } from "./probability.js";
import type { ScoredStep, StepFunction } from "./step.js";
import { topPSize } from "./top_p_size.js";

export type { ScoredStep, StepFunction, StepTensors } from "./step.js";

const builtIn = {
  probability,
  logit,
  crossentropy,
  entropy,
  perplexity,
  contrast_logits: contrastLogits,
  contrast_prob: contrastProb,
  contrast_logits_diff: contrastLogitsDiff,
  contrast_prob_diff: contrastProbDiff,
  pcxmi,
  kl_divergence: klDivergence,
  in_context_pvi: inContextPvi,
  mc_dropout_prob_avg: mcDropoutProbAvg,
  top_p_size: topPSize,
};

type BuiltInName = keyof typeof builtIn;
/** A step function of this package, or one that was registered. */
export type StepName = BuiltInName | (string & {});
/** By name, or with options: `{ name: "top_p_size", topP: 0.5 }`. */
export type StepChoice = StepName | ({ name: StepName } & Record<string, unknown>);

/** Every step function of this package, by name. Definitions are those of Inseq 0.7.1. */
export const steps: Readonly<Record<BuiltInName, StepFunction>> = builtIn;

const registered = new Map<string, StepFunction | ScoredStep>();

/**
 * Adds a step function under its own name, or puts it in place of one that was added before: TorchScript `source`, which
 * can be attributed and scored, or a TypeScript `score`, for step scores only.
 * @throws ERR_TOKENLENSE_INPUT for a name of this package's own.
 */
export function registerStep(step: StepFunction | ScoredStep): void {
  if (Object.hasOwn(builtIn, step.name))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `"${step.name}" is a step function of this package.`, {
      hint: "Choose another name.",
    });
  registered.set(step.name, step);
}

/** A step function as the engine takes it; `score` where it is TypeScript. */
export interface ResolvedStep {
  spec: StepFunctionSpec;
  contrastive: boolean;
  ownPrefix: boolean;
  flat: boolean;
  dropout?: NonNullable<PlanBase["dropout"]>;
  score?: ScoredStep["score"];
}

/** @throws ERR_TOKENLENSE_INPUT with the nearest names, or naming the options that are wrong. */
export function resolveStep(choice: StepChoice): ResolvedStep {
  const { name, ...options } = typeof choice === "string" ? { name: choice } : choice;
  const step = Object.hasOwn(builtIn, name) ? steps[name as BuiltInName] : registered.get(name);
  if (!step) throw unknownName("step function", name, [...Object.keys(builtIn), ...registered.keys()]);
  const plain = { contrastive: false, ownPrefix: false, flat: true };
  const unknown = Object.keys(options).find(
    (key) => !("options" in step) || !step.options || !(key in step.options.shape),
  );
  if (unknown !== undefined)
    throw unknownName(`option of ${name}`, unknown, Object.keys(("options" in step && step.options?.shape) || {}));
  if ("score" in step) return { ...plain, spec: { name, source: "" }, score: step.score };
  const own = step.options ? (parseOptions(step.options, options) as z.output<z.ZodObject>) : {};
  return {
    spec: { name, source: typeof step.source === "string" ? step.source : step.source(own) },
    contrastive: step.contrastive ?? false,
    ownPrefix: step.ownPrefix ?? false,
    flat: step.flat ?? false,
    ...(name === mcDropoutProbAvg.name && { dropout: own as NonNullable<PlanBase["dropout"]> }),
  };
}
