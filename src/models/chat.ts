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
      ...PYTHON,
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

/** What the template engine does otherwise than Python: dates in the system's language, and it strips white space whatever it is told. */
const PYTHON = {
  tokenlense_strftime: (format: string) => (require("strftime") as typeof import("strftime"))(format),
  tokenlense_strip: (text: string, characters: string) => stripEnd(stripStart(text, characters), characters),
  tokenlense_lstrip: stripStart,
  tokenlense_rstrip: stripEnd,
};

function parse(template: string): { render(variables: Record<string, unknown>): string } {
  // Read only when a chat is written: most runs have none.
  const { Template } = require("@huggingface/jinja") as typeof import("@huggingface/jinja");
  try {
    const parsed = new Template(`{% set strftime_now = tokenlense_strftime %}\n${template}`);
    replaceStrips(parsed.parsed);
    return parsed;
  } catch (cause) {
    throw new TokenlenseError(
      "ERR_TOKENLENSE_FORMAT",
      `The model's chat template cannot be read: ${(cause as Error).message}`,
      { hint: "Write the prompt in the model's chat format yourself, and give it as plain text.", cause },
    );
  }
}

/** Makes `text.strip(characters)` a call of ours, anywhere in a parsed template. */
function replaceStrips(node: unknown): void {
  if (node instanceof Map) for (const entry of node) replaceStrips(entry);
  if (typeof node !== "object" || node === null) return;
  for (const child of Object.values(node)) replaceStrips(child);
  const call = node as {
    type?: string;
    callee?: { type: string; object: unknown; property: { value: string } };
    args: unknown[];
  };
  if (call.type !== "CallExpression" || call.callee?.type !== "MemberExpression" || call.args.length === 0) return;
  const name = call.callee.property.value;
  if (!["strip", "lstrip", "rstrip"].includes(name)) return;
  Object.assign(call, {
    callee: { type: "Identifier", value: `tokenlense_${name}` },
    args: [call.callee.object, ...call.args],
  });
}

function stripStart(text: string, characters: string): string {
  const all = [...text];
  const start = all.findIndex((character) => !characters.includes(character));
  return start < 0 ? "" : all.slice(start).join("");
}

function stripEnd(text: string, characters: string): string {
  const all = [...text];
  return all.slice(0, all.findLastIndex((character) => !characters.includes(character)) + 1).join("");
}

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
