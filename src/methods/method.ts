import type { z } from "zod";
import type { Contract } from "../models/contract.js";
import { hasDeepliftRules } from "../models/families/index.js";
import type { Model } from "../models/model.js";
import type { AttributionPlan, PlanBase } from "../native.js";
import type { StepName } from "../steps/index.js";

/** What a method asks of the native engine, beside what every attribution is told. */
export type MethodPlan = DistributiveOmit<AttributionPlan, keyof PlanBase>;
type DistributiveOmit<Union, Key extends PropertyKey> = Union extends unknown ? Omit<Union, Key> : never;

/** What a method may look at when it makes its plan. */
export interface MethodContext {
  model: Model;
  /** Prompt and target together. */
  ids: Int32Array;
  promptLength: number;
}

/** How a method's work grows: T outputs, n steps or samples, S positions. */
export type MethodCost = "forward" | "gradient" | "path" | "perturbation";

/** An attribution method: one file in this folder, one line in index.ts. */
export interface Method<Options extends z.ZodType = z.ZodType> {
  name: string;
  summary: string;
  paper: { title: string; url: string };
  cost: MethodCost;
  /** Of the method's own options, with their defaults. */
  options: Options;
  /** The step function that is attributed unless another is asked for. */
  step: StepName;
  /** The only ones that the method is defined for; undefined: any. */
  steps?: readonly StepName[];
  /** Sets of what an archive may offer ({@link offered}); it must have all of one set. */
  needs: readonly (readonly string[])[];
  /** Names of the scores' dimensions after [sequence, outputs]. */
  dimensions?(options: z.output<Options>): readonly string[];
  plan(options: z.output<Options>, context: MethodContext): MethodPlan;
}

/** Infers the options' type from the schema. */
export function defineMethod<Options extends z.ZodType>(method: Method<Options>): Method<Options> {
  return method;
}

/** What an archive offers to methods: TorchScript methods of its module, and rules. */
export function offered({ family, methods }: Contract): string[] {
  return hasDeepliftRules(family) ? [...methods, DEEPLIFT_RULES] : methods;
}

/** What an archive lacks of each of the sets that would do; undefined: nothing. */
export function lacking({ needs }: Pick<Method, "needs">, contract: Contract): string[][] | undefined {
  const present = offered(contract);
  const missing = needs.map((set) => set.filter((name) => !present.includes(name)));
  return missing.some((names) => names.length === 0) ? undefined : missing;
}

const layered = ["embed", "layer", "final", "logits"] as const;

/** Gradients with respect to the embeddings, and perturbations, work with either contract. */
export const gradientNeeds = [layered, ["embed", "hidden", "logits"]] as const;
/** Layers, and rules of their operators. */
export const layeredNeeds = [layered] as const;
export const DEEPLIFT_RULES = "a DeepLIFT rule for every operator";
export const deepliftNeeds = [[...layered, DEEPLIFT_RULES]] as const;
export const attentionNeeds = [[...layered, "attention"]] as const;
export const zeroingNeeds = [[...layered, "layer_zeroed"]] as const;

/** What each class of cost means. */
export const costs: Readonly<Record<MethodCost, string>> = {
  forward: "one forward pass",
  gradient: "one forward pass, one backward pass for each output",
  path: "for each step: one forward pass, one backward pass for each output",
  perturbation: "forward passes only, one for each perturbed sequence",
};
