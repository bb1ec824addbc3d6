import type { AttributionRequest } from "../../api/attribution-request.js";

export interface Message {
  /** Of its field on the page. */
  key: string;
  role: string;
  content: string;
}

/** What the form holds. */
export interface Draft {
  kind: "plain" | "chat";
  prompt: string;
  messages: Message[];
  /** Who continues the prompt: the model, or a text that is given. */
  ending: "model" | "given";
  continuation: string;
  /** Numbers are "" where their fields are empty. */
  maxNewTokens: number | string;
  temperature: number | string;
  topK: number | string;
  topP: number | string;
  seed: number | string;
  model: string;
  method: string;
  /** Of the method; those at their defaults are not there. */
  options: Record<string, unknown>;
  /** "" for the method's own. */
  step: string;
  stepOptions: Record<string, unknown>;
  contrast: string;
  /** In place of the prompt, before the contrast. "" for the same. */
  contrastPrompt: string;
  stepScores: string[];
}

export const emptyDraft: Draft = {
  ...{ kind: "plain", prompt: "", messages: [message("user")], ending: "model", continuation: "", maxNewTokens: 16 },
  ...{ temperature: "", topK: "", topP: "", seed: "", model: "", method: "saliency", options: {} },
  ...{ step: "", stepOptions: {}, contrast: "", contrastPrompt: "", stepScores: ["probability"] },
};

export function message(role: string, content = ""): Message {
  return { key: crypto.randomUUID(), role, content };
}

/** Scripts that write words without spaces. */
const unspaced = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}]/u;

/** A prompt and what follows, as one text: words are kept apart. */
export function joined(prompt: string, continuation: string): string {
  const words = /[\p{L}\p{N}\p{P}]$/u.test(prompt) && /^[\p{L}\p{N}]/u.test(continuation);
  const edge = prompt.slice(-1) + continuation.slice(0, 1);
  return words && !unspaced.test(edge) ? `${prompt} ${continuation}` : prompt + continuation;
}

/** What stands before the continuation: the prompt, or the last message. */
export const beforeIt = ({ kind, prompt, messages }: Draft): string =>
  kind === "plain" ? prompt : (messages.at(-1)?.content ?? "");

/** A reply begins as it is; a text goes on. */
export function wholeText(draft: Draft, continuation: string): string {
  const before = beforeIt(draft);
  return draft.kind === "plain" ? joined(before, continuation) : before + continuation;
}

/** @param contrastive Step functions that need a contrast: without one of them there is none to be sent. */
export function toRequest(draft: Draft, contrastive: readonly string[]): AttributionRequest {
  const { kind, ending, step, contrast, contrastPrompt } = draft;
  return {
    model: draft.model,
    method: draft.method,
    ...(kind === "plain"
      ? { prompt: draft.prompt }
      : { messages: draft.messages.map(({ role, content }) => ({ role, content })) }),
    ...(ending === "given"
      ? { target: wholeText(draft, draft.continuation) }
      : {
          maxNewTokens: given(draft.maxNewTokens),
          generation: dropped({
            temperature: given(draft.temperature),
            topK: given(draft.topK),
            topP: given(draft.topP),
            seed: given(draft.seed),
          }),
        }),
    options: draft.options,
    ...(step && { step: { name: step, ...draft.stepOptions } }),
    ...(needsContrast(draft, contrastive) && {
      contrast: contrastPrompt
        ? { prompt: contrastPrompt, target: joined(contrastPrompt, contrast) }
        : wholeText(draft, contrast),
    }),
    stepScores: draft.stepScores,
  };
}

/** A draft that makes the same request again. */
export function fromRequest(request: AttributionRequest): Draft {
  const { prompt = "", messages, target, generation = {}, step, contrast } = request;
  // With a contrast it is the default.
  const named = step ?? (contrast === undefined ? "" : "contrast_prob_diff");
  const { name, ...stepOptions } = typeof named === "string" ? { name: named } : named;
  const before = messages?.at(-1)?.content ?? prompt;
  const after = (text: string, start = before) => (text.startsWith(start) ? text.slice(start.length) : text);
  const field = (value: number | undefined) => value ?? "";
  return {
    ...emptyDraft,
    kind: messages ? "chat" : "plain",
    prompt,
    ...(messages && { messages: messages.map(({ role, content }) => message(role, content)) }),
    ending: target === undefined ? "model" : "given",
    continuation: target === undefined ? "" : after(target),
    maxNewTokens: request.maxNewTokens ?? emptyDraft.maxNewTokens,
    temperature: field(generation.temperature || undefined),
    topK: field(generation.topK || undefined),
    topP: field(generation.topP === 1 ? undefined : generation.topP),
    seed: field(generation.seed),
    model: request.model,
    method: request.method ?? emptyDraft.method,
    options: request.options ?? {},
    step: name,
    stepOptions,
    ...(typeof contrast === "string" && { contrast: after(contrast) }),
    ...(typeof contrast === "object" &&
      "prompt" in contrast && {
        contrast: after(contrast.target, contrast.prompt),
        contrastPrompt: contrast.prompt,
      }),
    stepScores: (request.stepScores ?? []).map((each) => (typeof each === "string" ? each : each.name)),
  };
}

/** Whether a step function is asked for that needs one, attributed or scored beside. */
export const needsContrast = ({ step, stepScores }: Draft, contrastive: readonly string[]): boolean =>
  [step, ...stepScores].some((name) => contrastive.includes(name));

/**
 * What keeps a draft from being asked for, by field.
 * @param contrastive Step functions that need a contrast.
 */
export function faultsOf(draft: Draft, contrastive: readonly string[]): Partial<Record<string, string>> {
  const { kind, prompt, messages, ending, continuation, model } = draft;
  const faults: Partial<Record<string, string>> = {};
  if (kind === "plain" && prompt === "") faults.prompt = "Write a prompt.";
  if (kind === "chat")
    messages.forEach(({ content }, i) => {
      if (content === "") faults[`messages.${i}.content`] = "Write the message, or remove it.";
    });
  if (ending === "given" && continuation === "") faults.continuation = "Write what follows, or let the model do it.";
  if (draft.contrast === "" && needsContrast(draft, contrastive))
    faults.contrast = "Write what might have followed instead.";
  if (model === "") faults.model = "Choose a model.";
  return faults;
}

const given = (value: number | string): number | undefined => (value === "" ? undefined : Number(value));

const dropped = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
