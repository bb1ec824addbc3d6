import { randomInt } from "node:crypto";
import { z } from "zod";
import { native } from "./install/binding.js";
import type { ChatMessage } from "./models/chat.js";
import type { Model } from "./models/model.js";
import type { GenerationPlan } from "./native.js";
import { callback, maxNewTokens, parseOptions, promptOptions, samplingOptions } from "./options.js";
import { continuation, joinIds, type Prompt, readPrompt, requireContext } from "./sequence.js";
import { run } from "./task.js";

export interface SamplingOptions {
  /** 0, the default, is greedy: the likeliest token each time. */
  temperature?: number | undefined;
  /** Only the `topK` likeliest tokens. 0, the default: no limit. */
  topK?: number | undefined;
  /** Only the likeliest tokens that together reach this probability. 1, the default: no limit. */
  topP?: number | undefined;
  /** Of the random choice. One is drawn, and reported, where none is given. */
  seed?: number | undefined;
  /** Token ids that end the text and are not part of it. Default: the model's own end tokens; [] for none. */
  stopTokens?: readonly number[] | undefined;
}

export interface PromptOptions {
  /** From `loadModel()`. */
  model: Model;
  /** Text. Special tokens in it ("<|im_start|>") count as such. */
  prompt?: string | undefined;
  /** Token ids in place of `prompt`. */
  promptIds?: Int32Array | undefined;
  /**
   * A conversation in place of `prompt`, put in the model's chat format: the turns so far, the user's last, and first a
   * system message where the model takes one.
   */
  messages?: readonly ChatMessage[] | undefined;
  /** Put the prompt in the model's chat format, as the user's message. Default false. */
  chat?: boolean | undefined;
  /** The system message of a chat prompt. Default: what the model's own template says. */
  system?: string | undefined;
  /** Ends the work, with ERR_TOKENLENSE_CANCELLED. */
  signal?: AbortSignal | undefined;
}

export interface GenerateOptions extends PromptOptions, SamplingOptions {
  /** Default 32. Generation also ends where the model's context does. */
  maxNewTokens?: number | undefined;
  onProgress?: ((progress: { phase: "generate"; done: number; total: number }) => void) | undefined;
}

/** How a text was generated, for the record and for doing it again. */
export interface GenerationParameters {
  maxNewTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  /** Absent where nothing was left to chance. */
  seed?: number;
}

export interface Generation {
  /** The new tokens. */
  ids: Int32Array;
  /** The new text. */
  text: string;
  parameters: GenerationParameters;
}

export const samplingSchema = z.strictObject(samplingOptions);
const schema = z.strictObject({
  ...promptOptions,
  ...samplingOptions,
  maxNewTokens,
  onProgress: callback<NonNullable<GenerateOptions["onProgress"]>>(),
});

/**
 * Continues a prompt, with a key/value cache.
 * @throws ERR_TOKENLENSE_INPUT, _PROMPT, _CONTEXT, _CANCELLED, _NON_FINITE
 */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const { model, onProgress, signal, ...rest } = parseOptions(schema, options);
  const prompt = readPrompt(model, rest);
  const planned = planContinuation(model, { prompt, maxNewTokens: rest.maxNewTokens, sampling: rest });
  const [generation] = await continuePrompts(model, [planned], signal, (done, total) =>
    onProgress?.({ phase: "generate", done, total }),
  );
  return generation as Generation;
}

/** A prompt to continue, by options that have been checked. */
export interface Continuation {
  prompt: Prompt;
  maxNewTokens: number;
  sampling: z.output<typeof samplingSchema>;
}

/** A continuation as the native engine takes it, and for the record. */
export interface PlannedContinuation {
  prompt: Prompt;
  plan: GenerationPlan;
  parameters: GenerationParameters;
}

/** @throws ERR_TOKENLENSE_CONTEXT where the prompt leaves no room. */
export function planContinuation(model: Model, { prompt, maxNewTokens, sampling }: Continuation): PlannedContinuation {
  const { temperature, topK, topP } = sampling;
  requireContext(model, "With one token to generate the text is", prompt.ids.length + 1);
  const seed = temperature > 0 ? (sampling.seed ?? randomInt(2 ** 32)) : undefined;
  return {
    prompt,
    plan: {
      ids: prompt.ids,
      maxNewTokens: Math.min(maxNewTokens, model.contract.context - prompt.ids.length),
      temperature,
      topK,
      topP,
      seed: seed ?? 0,
      stopTokens: Int32Array.from(sampling.stopTokens ?? model.contract.tokens.eos),
    },
    parameters: { maxNewTokens, temperature, topK, topP, ...(seed === undefined ? {} : { seed }) },
  };
}

/** Continues prompts, all at once. */
export async function continuePrompts(
  model: Model,
  planned: readonly PlannedContinuation[],
  signal: AbortSignal | undefined,
  onProgress: (done: number, total: number) => void,
): Promise<Generation[]> {
  const plans = planned.map(({ plan }) => plan);
  const fresh = await run(() => native().generate(model.native, plans, onProgress), signal);
  return planned.map(({ prompt, parameters }, i) => {
    const ids = fresh[i] as Int32Array;
    return { ids, text: continuation(model, prompt.ids, joinIds(prompt.ids, ids)), parameters };
  });
}
