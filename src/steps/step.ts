import type { StepFunctionSpec } from "../native.js";

/**
 * A step function: what is attributed, or scored, at each output. `source` is TorchScript,
 * `def step(logits: Tensor, targets: Tensor) -> Tensor`: logits [outputs, vocabulary] before each target,
 * targets [outputs] int64 token ids, result [outputs]. Row i depends on row i only.
 */
export interface StepFunction extends StepFunctionSpec {
  summary: string;
}
