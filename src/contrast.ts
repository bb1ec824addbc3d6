import { z } from "zod";
import { TokenlenseError } from "./errors.js";
import type { Model } from "./models/model.js";
import type { PlanBase } from "./native.js";
import { tokenIds } from "./options.js";
import { forcedSequence, type Prompt, type PromptSource, readPrompt, requireContext, requireIds } from "./sequence.js";

/**
 * Another text to set the outputs against, token by token: the k-th token after its prompt is the counterpart of the
 * k-th output. A string is the whole text, beginning with the prompt, as `target` is. With another prompt, such as one
 * without its context, the two are given apart; of a conversation, that prompt takes the place of the last message.
 */
export type ContrastOption =
  | string
  | ((
      | { prompt: string; target: string }
      /** As token ids: the whole text, and how many of them are its prompt. */
      | { ids: Int32Array; promptLength: number }
    ) & {
      /**
       * The attributed function reads each counterpart after the contrast's own prefix, not after the output's. The
       * gradient passes through the output's side only. Default false; step scores always do.
       */
      ownPrefix?: boolean | undefined;
    });

const ownPrefix = z.boolean().default(false);

export const contrastSchema = z.union([
  z.string().min(1),
  z.strictObject({ prompt: z.string().min(1), target: z.string().min(1), ownPrefix }),
  z.strictObject({ ids: tokenIds, promptLength: z.int().positive(), ownPrefix }),
]);

/**
 * The contrast's tokens, and where each output's counterpart stands among them.
 * @param ownPrefix The attributed function needs the contrast's own prefix, whatever the option says.
 * @throws ERR_TOKENLENSE_TARGET where the contrast has fewer tokens than there are outputs, or does not begin with its prompt.
 */
export function readContrast(
  model: Model,
  option: z.output<typeof contrastSchema>,
  prompt: Prompt,
  outputs: number,
  chat: Pick<PromptSource, "chat" | "system" | "messages">,
  ownPrefix: boolean,
): NonNullable<PlanBase["contrast"]> {
  const { ids, promptLength } = contrastIds(model, option, prompt, chat);
  requireContext(model, "The contrast is", ids.length);
  const count = ids.length - promptLength;
  if (count < outputs)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_TARGET",
      `The contrast continues its prompt with ${count} tokens; there are ${outputs} outputs.`,
      { hint: "Each output needs a counterpart: give a longer contrast, or attribute a shorter target." },
    );
  return {
    ids,
    positions: Int32Array.from({ length: outputs }, (_, k) => promptLength + k),
    ownPrefix: ownPrefix || (typeof option !== "string" && option.ownPrefix),
  };
}

function contrastIds(
  model: Model,
  option: z.output<typeof contrastSchema>,
  prompt: Prompt,
  chat: Pick<PromptSource, "chat" | "system" | "messages">,
): { ids: Int32Array; promptLength: number } {
  if (typeof option === "string")
    return { ids: forcedSequence(model, prompt, option).ids, promptLength: prompt.ids.length };
  if ("ids" in option) {
    requireIds(model, "contrast", option.ids);
    return option;
  }
  const last = chat.messages?.at(-1);
  const messages = last && [...(chat.messages ?? []).slice(0, -1), { ...last, content: option.prompt }];
  const own = readPrompt(model, {
    ...(messages ? { messages } : { prompt: option.prompt }),
    chat: chat.chat,
    system: chat.system,
  });
  return { ids: forcedSequence(model, own, option.target).ids, promptLength: own.ids.length };
}
