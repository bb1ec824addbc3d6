import { TokenlenseError } from "./errors.js";
import type { ChatMessage } from "./models/chat.js";
import type { Model } from "./models/model.js";
import type { Token } from "./result.js";

/** A prompt as token ids, and as text. */
export interface Prompt {
  /** What the caller gave; of a conversation the last message. */
  given: string;
  /** What the model reads: `given`, or `given` or the conversation in the chat format. */
  input: string;
  ids: Int32Array;
}

export interface PromptSource {
  prompt?: string | undefined;
  promptIds?: Int32Array | undefined;
  messages?: readonly ChatMessage[] | undefined;
  chat: boolean;
  system?: string | undefined;
}

/** @throws ERR_TOKENLENSE_PROMPT where it is empty, ERR_TOKENLENSE_INPUT for options that contradict each other. */
export function readPrompt(model: Model, source: PromptSource): Prompt {
  const { prompt, promptIds, messages, chat, system } = source;
  if ([prompt, promptIds, messages].filter((way) => way !== undefined).length !== 1)
    throw input("Give one of prompt, promptIds and messages.");
  if (messages !== undefined && system !== undefined) throw input("system: put it first among the messages.");
  if (system !== undefined && !chat) throw input("system: only a chat prompt has a system message; add chat: true.");
  if (promptIds !== undefined) {
    if (chat) throw input("chat: promptIds are taken as they are; give a prompt to have it put in the chat format.");
    requireIds(model, "promptIds", promptIds);
    if (promptIds.length === 0) throw emptyPrompt();
    const text = model.tokenizer.decode(promptIds);
    return { given: text, input: text, ids: promptIds };
  }
  const given = prompt ?? messages?.at(-1)?.content ?? "";
  if (given.length === 0) throw emptyPrompt();
  const text = chat || messages ? model.tokenizer.applyChat(messages ?? turns(given, system)) : given;
  const ids = model.tokenizer.encode(text);
  if (ids.length === 0) throw emptyPrompt(); // of characters that the vocabulary lacks
  return { given, input: text, ids };
}

/**
 * Prompt and target as one sequence that begins with the prompt's ids.
 *
 * Target and prompt are tokenised together, as Inseq does it, where that leaves the prompt's tokens as they are. Where a
 * token would reach across the border ("Par" + "is" is one token) the prompt keeps its tokens and what follows it is
 * tokenised apart: attribution needs a border between tokens, and the prompt is what the model was given.
 *
 * @throws ERR_TOKENLENSE_TARGET where the target does not begin with the prompt, or adds nothing.
 */
export function forcedSequence(model: Model, prompt: Prompt, target: string): { ids: Int32Array; target: string } {
  // In chat format a target may also begin with the prompt as it was given; what follows is then the reply.
  const head = [prompt.input, prompt.given].find((text) => target.startsWith(text));
  if (head === undefined)
    throw new TokenlenseError("ERR_TOKENLENSE_TARGET", "The target does not begin with the prompt.", {
      hint: "target is the whole text: the prompt, character for character, and then the continuation to attribute.",
    });
  const rest = target.slice(head.length);
  if (rest.length === 0) throw addsNothing();
  const whole = prompt.input + rest;
  const together = model.tokenizer.encode(whole);
  if (together.length > prompt.ids.length && beginsWith(together, prompt.ids)) return { ids: together, target: whole };
  const tail = continuationIds(model, rest);
  if (tail.length === 0) throw addsNothing();
  return { ids: joinIds(prompt.ids, tail), target: whole };
}

/** Checks ids that begin with the prompt's. */
export function forcedIds(model: Model, prompt: Prompt, ids: Int32Array): { ids: Int32Array; target: string } {
  requireIds(model, "targetIds", ids);
  if (!beginsWith(ids, prompt.ids))
    throw new TokenlenseError("ERR_TOKENLENSE_TARGET", "targetIds do not begin with promptIds.", {
      hint: "targetIds are the whole sequence: the prompt's ids, and then those to attribute.",
    });
  if (ids.length === prompt.ids.length) throw addsNothing();
  return { ids, target: prompt.input + continuation(model, prompt.ids, ids) };
}

/** Text of the ids after the prompt's. Decoded with the prompt, for tokenizers that drop a text's first space. */
export function continuation(model: Model, promptIds: Int32Array, ids: Int32Array): string {
  const head = model.tokenizer.decode(promptIds);
  const whole = model.tokenizer.decode(ids);
  return whole.startsWith(head) ? whole.slice(head.length) : model.tokenizer.decode(ids.subarray(promptIds.length));
}

/** Ids of a text that goes on after another: without what the tokenizer puts before every text. */
export function continuationIds(model: Model, text: string): Int32Array {
  return model.tokenizer.encode(text, { begins: false });
}

/** The tokens of a text, and where they lie in it; the first `promptLength` are the prompt's. */
export function toTokens(model: Model, ids: Int32Array, text: string, promptLength: number): Token[] {
  const spans = model.tokenizer.locate(ids, text);
  return model.tokenizer.tokens(ids).map((piece, i): Token => {
    const [start, end] = spans[i] as (typeof spans)[number];
    return { ...piece, role: i < promptLength ? "prompt" : "target", start, end };
  });
}

export function joinIds(head: Int32Array, tail: Int32Array): Int32Array {
  const ids = new Int32Array(head.length + tail.length);
  ids.set(head);
  ids.set(tail, head.length);
  return ids;
}

/** @throws ERR_TOKENLENSE_CONTEXT */
export function requireContext(model: Model, what: string, tokens: number): void {
  const { context } = model.contract;
  if (tokens <= context) return;
  throw new TokenlenseError(
    "ERR_TOKENLENSE_CONTEXT",
    `${what} ${tokens} tokens long; ${model.name} reads ${context} at most.`,
    { hint: "Shorten the text, or use a model with a longer context." },
  );
}

function turns(prompt: string, system: string | undefined): ChatMessage[] {
  const user = { role: "user", content: prompt };
  return system === undefined ? [user] : [{ role: "system", content: system }, user];
}

/** @throws ERR_TOKENLENSE_INPUT for an id outside the vocabulary. */
export function requireIds(model: Model, name: string, ids: Int32Array): void {
  const { vocabulary } = model.contract;
  const at = ids.findIndex((id) => id < 0 || id >= vocabulary);
  if (at >= 0) throw input(`${name}: ${ids[at]} at index ${at} is no token id; the vocabulary has ${vocabulary}.`);
}

function beginsWith(ids: Int32Array, head: Int32Array): boolean {
  return head.every((id, i) => ids[i] === id);
}

function emptyPrompt(): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_PROMPT", "The prompt is empty.", {
    hint: "An output is attributed to the tokens before it, so there must be one at least.",
  });
}

function addsNothing(): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_TARGET", "The target adds nothing to the prompt.", {
    hint: "Leave the target out to have the model continue the prompt.",
  });
}

export function endedAtOnce(hint: string): TokenlenseError {
  return new TokenlenseError(
    "ERR_TOKENLENSE_TARGET",
    "The model ended the text at once: there is nothing to attribute.",
    { hint },
  );
}

function input(message: string): TokenlenseError {
  return new TokenlenseError("ERR_TOKENLENSE_INPUT", message);
}
