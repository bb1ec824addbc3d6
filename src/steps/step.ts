import type { z } from "zod";

/**
 * A step function: what is attributed, or scored, at each output. `source` is TorchScript,
 * `def step(logits: Tensor, targets: Tensor) -> Tensor`: logits [outputs, vocabulary] before each target,
 * targets [outputs] int64 token ids, result [outputs]. Row i depends on row i only. By these names it may also ask for
 * `contrast_logits` and `contrast_targets`, of the contrast's counterpart of each output, and for `noisy`
 * [outputs, passes], the target's probability in passes with dropout.
 */
export interface StepFunction<Options extends z.ZodObject = z.ZodObject> {
  name: string;
  summary: string;
  /** Of the function, with their defaults. */
  options?: Options;
  source: string | ((options: z.output<Options>) => string);
  /** It sets the outputs against another text. */
  contrastive?: true;
  /** As the attributed function too, the counterpart is read after the contrast's own prefix. */
  ownPrefix?: true;
  /** It is not a smooth function of the logits: for step scores and perturbation methods. */
  flat?: true;
}

/** Infers the options' type from the schema. */
export function defineStep<Options extends z.ZodObject>(step: StepFunction<Options>): StepFunction<Options> {
  return step;
}

/** What a step function written in TypeScript sees, for all outputs at once. */
export interface StepTensors {
  /** [outputs, vocabulary], row-major, before each output. */
  logits: Float32Array;
  /** [outputs], token ids. */
  targets: Int32Array;
  outputs: number;
  vocabulary: number;
}

/** A step function in TypeScript: for step scores, as it has no gradient. */
export interface ScoredStep {
  name: string;
  summary: string;
  /** One value for each output. */
  score(tensors: StepTensors): ArrayLike<number>;
}
