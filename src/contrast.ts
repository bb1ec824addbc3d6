import { z } from "zod";
import { TokenlenseError } from "./errors.js";
import type { Model } from "./models/model.js";
import type { PlanBase } from "./native.js";
import { forcedSequence, type Prompt, readPrompt, requireContext } from "./sequence.js";

/**
 * Another text to set the outputs against, token by token: the k-th token after its prompt is the counterpart of the
 * k-th output. A string is the whole text, beginning with the prompt, as `target` is. With another prompt, such as one
 * without its context, the two are given apart.
 */
export type ContrastOption = string | { prompt: string; target: string };

export const contrastSchema = z.union([
  z.string().min(1),
  z.strictObject({ prompt: z.string().min(1), target: z.string().min(1) }),
]);

/**
 * The contrast's tokens, and where each output's counterpart stands among them.
 * @throws ERR_TOKENLENSE_TARGET where the contrast has fewer tokens than there are outputs, or does not begin with its prompt.
 */
export function readContrast(
  model: Model,
  option: ContrastOption,
  prompt: Prompt,
  outputs: number,
  chat: { chat: boolean; system?: string | undefined },
): Omit<NonNullable<PlanBase["contrast"]>, "ownPrefix"> {
  const own = typeof option === "string" ? prompt : readPrompt(model, { prompt: option.prompt, ...chat });
  const { ids } = forcedSequence(model, own, typeof option === "string" ? option : option.target);
  requireContext(model, "The contrast is", ids.length);
  const count = ids.length - own.ids.length;
  if (count < outputs)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_TARGET",
      `The contrast continues its prompt with ${count} tokens; there are ${outputs} outputs.`,
      { hint: "Each output needs a counterpart: give a longer contrast, or attribute a shorter target." },
    );
  return { ids, positions: Int32Array.from({ length: outputs }, (_, k) => own.ids.length + k) };
}
