import { TokenlenseError } from "../errors.js";
import type { Method } from "../methods/index.js";
import type { NativeAttribution } from "../native.js";
import type { ResolvedStep } from "./index.js";

// What one run makes of its step functions: checks before it, scores after it.

/** @throws ERR_TOKENLENSE_INPUT where the method cannot attribute this step function. */
export function requireStep(method: Method, { spec: { name }, score, flat }: ResolvedStep): void {
  const fault = (message: string, hint?: string) =>
    new TokenlenseError("ERR_TOKENLENSE_INPUT", message, hint === undefined ? {} : { hint });
  if (score)
    throw fault(
      `The step function "${name}" is TypeScript: it can be scored, not attributed.`,
      "Put it into stepScores, or register it as TorchScript source.",
    );
  if (method.steps && !method.steps.includes(name))
    throw fault(`The method "${method.name}" is defined for ${method.steps.join(", ")}, not for "${name}".`);
  if (flat && (method.cost === "gradient" || method.cost === "path"))
    throw fault(
      `The step function "${name}" has no gradient for the method "${method.name}".`,
      "Put it into stepScores, or attribute it by occlusion.",
    );
}

/** @throws ERR_TOKENLENSE_INPUT where a step function needs a contrast and there is none. */
export function requireContrast(used: ResolvedStep[], contrast: unknown): void {
  const step = used.find(({ contrastive }) => contrastive);
  if (step && contrast === undefined)
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `The step function "${step.spec.name}" needs a contrast.`, {
      hint: "Give contrast: the whole text with another continuation, or { prompt, target } with another prompt.",
    });
}

/** One kind of noise serves all of a run's step functions. */
export function dropoutOf(used: ResolvedStep[]): { dropout?: NonNullable<ResolvedStep["dropout"]> } {
  const asked = used.flatMap(({ dropout }) => dropout ?? []);
  return asked[0] ? { dropout: asked[0] } : {};
}

/**
 * Step scores by name, those in TypeScript computed here. `targets`: the outputs' token ids.
 * @throws ERR_TOKENLENSE_NON_FINITE naming score and output.
 */
export function scoresOf(
  asked: ResolvedStep[],
  outcome: NativeAttribution,
  targets: Int32Array,
): Record<string, Float32Array> {
  const logits = outcome.logits?.data() as Float32Array | undefined;
  const scores = asked.map(({ spec: { name }, score }): [string, Float32Array] => {
    if (!score || !logits) return [name, finite(name, outcome.stepScores[name]?.data() as Float32Array)];
    const outputs = targets.length;
    const values = Float32Array.from(score({ logits, targets, outputs, vocabulary: logits.length / outputs }));
    if (values.length === outputs) return [name, finite(name, values)];
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The step function "${name}" gave ${values.length} values for ${outputs} outputs.`,
    );
  });
  outcome.logits?.dispose();
  return Object.fromEntries(scores);
}

function finite(name: string, values: Float32Array): Float32Array {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return values;
  throw new TokenlenseError("ERR_TOKENLENSE_NON_FINITE", `The step score "${name}" is ${values[at]} at output ${at}.`, {
    hint: 'Leave it out of stepScores; "crossentropy" stays finite where a probability vanishes.',
  });
}
