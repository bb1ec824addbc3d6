import { z } from "zod";
import { type AttributeOptions, type AttributionProgress, attribute } from "./attribute.js";
import { generate, type SamplingOptions, samplingSchema } from "./generate.js";
import type { MethodName, MethodOptions } from "./methods/index.js";
import type { Model } from "./models/model.js";
import { callback, maxNewTokens, memoryBudget, parseOptions, promptOptions } from "./options.js";
import type { Token } from "./result.js";
import { continuation, continuationIds, endedAtOnce, joinIds, toTokens } from "./sequence.js";
import type { StepChoice } from "./steps/index.js";

export interface AttributeContextOptions<Name extends MethodName = MethodName> {
  /** From `loadModel()`. */
  model: Model;
  /** What the text may have leaned on. */
  context: string;
  /** The text that follows it, and that the model continues. */
  prompt: string;
  /** How the two are put together. Default "{context} {current}". */
  template?: string | undefined;
  /** The continuation whose reliance on the context is asked. Without it, the model's own. */
  output?: string | undefined;
  /** Default 32. Only without an output. */
  maxNewTokens?: number | undefined;
  generation?: SamplingOptions | undefined;
  /** How much an output changes with the context. Default "kl_divergence". */
  sensitivity?: StepChoice | undefined;
  /** Outputs are sensitive from the mean plus so many standard deviations on. Default 1. */
  sensitivityThreshold?: number | undefined;
  /** At most so many outputs, the most sensitive first. */
  sensitivityTopK?: number | undefined;
  /** What finds the cues. Default "saliency" of "contrast_prob_diff". */
  method?: Name | undefined;
  options?: MethodOptions<Name> | undefined;
  step?: StepChoice | undefined;
  /** Context tokens are cues from their mean score plus so many standard deviations on. Default 1. */
  cueThreshold?: number | undefined;
  /** At most so many cues for each output. */
  cueTopK?: number | undefined;
  memoryBudget?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: AttributionProgress) => void) | undefined;
}

/** A token of the context, and what it counted. */
export interface Cue {
  /** Index into `contextTokens`. */
  index: number;
  token: Token;
  score: number;
}

/** An output that the context changes. */
export interface SensitiveOutput {
  /** Index into `outputs`. */
  index: number;
  token: Token;
  sensitivity: number;
  /** What the model would say here without the context; its place is the output's. */
  alternative: Token;
  /** Of every context token. */
  scores: Float32Array;
  /** Best first. */
  cues: Cue[];
}

export interface ContextAttribution {
  /** Places of these and of the outputs are in the text of context and prompt by the template, and the output after it. */
  contextTokens: readonly Token[];
  outputs: readonly Token[];
  /** [outputs], by the metric. */
  sensitivity: Float32Array;
  /** From which on an output is sensitive. */
  threshold: number;
  /** Most sensitive first. */
  sensitive: SensitiveOutput[];
}

const schema = z.strictObject({
  model: promptOptions.model,
  context: z.string().min(1),
  prompt: z.string().min(1),
  template: z
    .string()
    .default("{context} {current}")
    .refine((text) => text.includes("{context}") && text.includes("{current}"), "needs {context} and {current}"),
  output: z.string().min(1).optional(),
  maxNewTokens,
  generation: samplingSchema.prefault({}),
  sensitivity: z.custom<StepChoice>().default("kl_divergence"),
  sensitivityThreshold: z.number().default(1),
  sensitivityTopK: z.int().positive().optional(),
  method: z.string().default("saliency"),
  options: z.record(z.string(), z.unknown()).optional(),
  step: z.custom<StepChoice>().default("contrast_prob_diff"),
  cueThreshold: z.number().default(1),
  cueTopK: z.int().positive().optional(),
  memoryBudget,
  signal: promptOptions.signal,
  onProgress: callback<NonNullable<AttributeContextOptions["onProgress"]>>(),
});

/**
 * Which outputs did the context change, and which of its tokens did that? PECoRe (Sarti et al. 2024, "Quantifying the
 * Plausibility of Context Reliance in Neural Machine Translation", https://arxiv.org/abs/2310.01188): outputs whose
 * distribution differs with and without the context are context-sensitive; of each, the contrast with what the model
 * would say without the context is attributed to the context's tokens, and the largest scores are its cues.
 * @throws as `attribute`.
 */
export async function attributeContext<Name extends MethodName = MethodName>(
  given: AttributeContextOptions<Name>,
): Promise<ContextAttribution> {
  const options = parseOptions(schema, given);
  const { model, context, prompt } = options;
  const whole = options.template.replace("{context}", () => context).replace("{current}", () => prompt);
  const withContext = model.tokenizer.encode(whole);
  const without = model.tokenizer.encode(prompt);
  const output = await outputIds(options, whole);
  const shared = { model, memoryBudget: options.memoryBudget, signal: options.signal, onProgress: options.onProgress };

  // Which outputs change: the text without its context is set against the one with it, as Inseq has it.
  const bare = joinIds(without, output);
  const full = joinIds(withContext, output);
  const sensitivityName = typeof options.sensitivity === "string" ? options.sensitivity : options.sensitivity.name;
  const compared = await attribute({
    ...shared,
    promptIds: without,
    targetIds: bare,
    method: "dummy",
    step: "probability",
    stepScores: [options.sensitivity, likeliest],
    contrast: { ids: full, promptLength: withContext.length },
  });
  const sensitivity = compared.stepScores[sensitivityName] as Float32Array;
  const alternatives = Int32Array.from(compared.stepScores[likeliest.name] as Float32Array);
  const { chosen, threshold } = select(sensitivity, options.sensitivityThreshold, options.sensitivityTopK);

  // Which tokens of the context do that. Where the model would say the same without it, the contrast is the same token
  // without the context; else it is the other token after the same prefix.
  const cues = (contrast: AttributeOptions["contrast"]) =>
    attribute({
      ...shared,
      promptIds: withContext,
      targetIds: full,
      method: options.method as Name,
      options: options.options as MethodOptions<Name>,
      step: options.step,
      contrast,
      stepScores: [],
    });
  const same = (index: number) => alternatives[index] === output[index];
  const [others, alike] = [chosen.some((index) => !same(index)), chosen.some(same)];
  const byOther = others
    ? await cues({ ids: joinIds(withContext, alternatives), promptLength: withContext.length })
    : undefined;
  const byContext = alike ? await cues({ ids: bare, promptLength: without.length, ownPrefix: true }) : undefined;

  const tokens = toTokens(model, full, whole + continuation(model, withContext, full), withContext.length);
  const outputs = tokens.slice(withContext.length);
  const [before = ""] = options.template.split("{context}");
  const start = before.replace("{current}", () => prompt).length;
  const [first, end] = tokensWithin(tokens.slice(0, withContext.length), start, start + context.length);
  const contextTokens = tokens.slice(first, end);
  const alternative = (index: number): Token => {
    const [piece] = model.tokenizer.tokens(alternatives.subarray(index, index + 1));
    return { ...(outputs[index] as Token), ...piece };
  };
  return {
    contextTokens,
    outputs,
    sensitivity,
    threshold,
    sensitive: chosen.map((index): SensitiveOutput => {
      const result = same(index) ? byContext : byOther;
      const scores = Float32Array.from(
        contextTokens,
        (_, i) => result?.tokenScores[(first + i) * output.length + index] as number,
      );
      const best = select(scores, options.cueThreshold, options.cueTopK).chosen;
      return {
        index,
        token: outputs[index] as Token,
        sensitivity: sensitivity[index] as number,
        alternative: alternative(index),
        scores,
        cues: best.map((i) => ({ index: i, token: contextTokens[i] as Token, score: scores[i] as number })),
      };
    }),
  };
}

const likeliest = {
  name: "likeliest",
  summary: "Id of the likeliest token.",
  source: `
def step(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.argmax(-1).to(logits.dtype)
`,
} as const;

async function outputIds(options: z.output<typeof schema>, whole: string): Promise<Int32Array> {
  const { model, output, signal, onProgress, generation } = options;
  if (output === undefined) {
    const { ids } = await generate({
      model,
      prompt: whole,
      maxNewTokens: options.maxNewTokens,
      ...generation,
      signal,
      onProgress,
    });
    if (ids.length > 0) return ids;
    throw endedAtOnce("Give an output.");
  }
  return continuationIds(model, output);
}

/** Indices of values from mean + threshold · standard deviation on, largest size first. */
function select(values: Float32Array, threshold: number, topK: number | undefined) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const least = mean + threshold * Math.sqrt(variance);
  const size = (index: number) => Math.abs(values[index] as number);
  const chosen = Array.from(values.keys())
    .filter((index) => size(index) >= least)
    .sort((a, b) => size(b) - size(a));
  return { chosen: topK === undefined ? chosen : chosen.slice(0, topK), threshold: least };
}

/** The tokens that hold some of the text from `from` to `to`. */
function tokensWithin(tokens: readonly Token[], from: number, to: number): [number, number] {
  const holds = ({ start, end }: Token) => end > from && start < to;
  const first = tokens.findIndex(holds);
  return first < 0 ? [tokens.length, tokens.length] : [first, tokens.findLastIndex(holds) + 1];
}
