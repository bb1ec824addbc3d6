import { createRequire } from "node:module";
import { TokenlenseError } from "../errors.js";

/** One turn of a conversation. Roles are those of the model's template: "system", "user", "assistant". */
export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatOptions {
  /** End with the beginning of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
}

const require = createRequire(import.meta.url);

/**
 * Writes a conversation the way the model was trained on, by the model's own Jinja template.
 * @throws ERR_TOKENLENSE_CAPABILITY where the model has no template, ERR_TOKENLENSE_INPUT where the template refuses the
 * messages.
 */
export function renderChat(
  template: string | null | undefined,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: ChatOptions,
  specialTokens: { bos_token?: string; eos_token?: string },
): string {
  if (!template) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_CAPABILITY",
      "This model has no chat template: it was not trained on conversations.",
      {
        hint: "Give the prompt as plain text, or take an instruction-tuned model.",
      },
    );
  }
  // Read only when a chat is written: most runs have none.
  const { Template } = require("@huggingface/jinja") as typeof import("@huggingface/jinja");
  try {
    return new Template(template).render({
      messages: [...messages],
      add_generation_prompt: addGenerationPrompt,
      ...specialTokens,
    });
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The model's chat template does not take these messages: ${(cause as Error).message}`,
      {
        hint: "Begin with a system or user message, then let user and assistant take turns.",
        cause,
      },
    );
  }
}
