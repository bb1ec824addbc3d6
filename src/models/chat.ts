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

type SpecialTokens = Partial<Record<"bos_token" | "eos_token" | "pad_token" | "unk_token", string>>;

const require = createRequire(import.meta.url);

/**
 * Writes a conversation the way the model was trained on, by the model's own Jinja template; as transformers, without tools
 * and documents.
 * @throws ERR_TOKENLENSE_CAPABILITY where the model has no template, ERR_TOKENLENSE_FORMAT where its template is none,
 * ERR_TOKENLENSE_INPUT where the template refuses the messages.
 */
export function renderChat(
  template: string | null | undefined,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true }: ChatOptions,
  specialTokens: SpecialTokens,
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
  const parsed = parse(template);
  const render = (turns: readonly ChatMessage[]) =>
    parsed.render({
      ...specialTokens,
      messages: turns.map((turn) => ({ ...turn })),
      tools: null,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
      // The template engine's own writes month names in the system's language; templates expect Python's.
      strftime_now: (format: string) => (require("strftime") as typeof import("strftime"))(format),
    });
  try {
    return render(messages);
  } catch (cause) {
    const others = messages.filter(({ role }) => role !== "system");
    const takesOthers = others.length < messages.length && others.length > 0 && succeeds(() => render(others));
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The model's chat template does not take these messages: ${(cause as Error).message}`,
      {
        hint: takesOthers
          ? "This model knows no system message: put its text at the beginning of the first user message."
          : "Begin with a system or user message, then let user and assistant take turns.",
        cause,
      },
    );
  }
}

function parse(template: string): { render(variables: Record<string, unknown>): string } {
  // Read only when a chat is written: most runs have none.
  const { Template } = require("@huggingface/jinja") as typeof import("@huggingface/jinja");
  try {
    return new Template(template);
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FORMAT",
      `The model's chat template cannot be read: ${(cause as Error).message}`,
      { hint: "Write the prompt in the model's chat format yourself, and give it as plain text.", cause },
    );
  }
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
