import type { z } from "zod";
import type { GradientPlan } from "../native.js";
import type { StepName } from "../steps/index.js";

/** What a method asks of the native engine. */
export type MethodPlan = Pick<GradientPlan, "multiplyByInput" | "reduce">;

/** An attribution method: one file in this folder, one line in index.ts. */
export interface Method<Options extends z.ZodType = z.ZodType> {
  name: string;
  summary: string;
  paper: { title: string; url: string };
  /** Of the method's own options, with their defaults. */
  options: Options;
  /** The step function that is attributed unless another is asked for. */
  step: StepName;
  /** Sets of TorchScript methods; the archive must have all of one set. */
  needs: readonly (readonly string[])[];
  plan(options: z.output<Options>): MethodPlan;
}

/** Infers the options' type from the schema. */
export function defineMethod<Options extends z.ZodType>(method: Method<Options>): Method<Options> {
  return method;
}

/** Gradients with respect to the embeddings work with either contract. */
export const gradientNeeds = [
  ["embed", "layer", "final", "logits"],
  ["embed", "hidden", "logits"],
] as const;
