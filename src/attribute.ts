import { performance } from "node:perf_hooks";
import { z } from "zod";
import { type ContrastOption, contrastSchema, readContrast } from "./contrast.js";
import { TokenlenseError } from "./errors.js";
import {
  continuePrompts,
  type Generation,
  type PlannedContinuation,
  type PromptOptions,
  planContinuation,
  type SamplingOptions,
  samplingSchema,
} from "./generate.js";
import { native } from "./install/binding.js";
import { packageVersion } from "./install/package.js";
import { type ResolvedChoice, resolveChoice } from "./methods/choice.js";
import type { Method, MethodName, MethodOptions } from "./methods/index.js";
import { DEEPLIFT_RULES, lacking } from "./methods/method.js";
import type { Contract } from "./models/contract.js";
import type { Model } from "./models/model.js";
import type { AttributionPlan, NativeAttribution } from "./native.js";
import {
  callback,
  freeForWork,
  maxNewTokens,
  memoryBudget,
  parseOptions,
  promptOptions,
  stepChoice,
  targetOptions,
} from "./options.js";
import { Attribution } from "./result.js";
import {
  endedAtOnce,
  forcedIds,
  forcedSequence,
  joinIds,
  type Prompt,
  readPrompt,
  requireContext,
  toTokens,
} from "./sequence.js";
import type { StepChoice } from "./steps/index.js";
import { dropoutOf, scoresOf } from "./steps/run.js";
import { run, throwIfCancelled } from "./task.js";

export interface AttributionProgress {
  phase: "generate" | "attribute";
  done: number;
  total: number;
  /** Of a single text while it is attributed: the whole of it, with what was generated. */
  target?: string;
}

export interface AttributeOptions<Name extends MethodName = MethodName> extends PromptOptions {
  /**
   * The whole text to attribute, which begins with the prompt. With `chat` or `messages`, it may begin with the prompt as
   * given (of messages, the last one's content), and what follows is the reply. Without a target, the model continues the prompt.
   */
  target?: string | undefined;
  /** With `promptIds`: the whole sequence, which begins with them. */
  targetIds?: Int32Array | undefined;
  /** Default 32. Only where there is no target. */
  maxNewTokens?: number | undefined;
  /** How the model continues the prompt. Default: greedily. */
  generation?: SamplingOptions | undefined;
  /** Default "saliency". */
  method?: Name | undefined;
  /** The method's own options; `tokenlense methods` and the `methods` registry list them with their defaults. */
  options?: MethodOptions<Name> | undefined;
  /**
   * The attributed step function, by name or with options. Default: the method's own, mostly "probability"; with a
   * contrast, "contrast_prob_diff".
   */
  step?: StepChoice | undefined;
  /** Step functions to evaluate at every output beside. Default ["probability"]. */
  stepScores?: readonly StepChoice[] | undefined;
  /** Another text to set the outputs against: why this token and not that one? */
  contrast?: ContrastOption | undefined;
  /** How the embedding dimension goes: L2 norm (the default), signed sum, or kept. A method may not offer all. */
  aggregate?: "vnorm" | "sum" | "none" | undefined;
  /** Bytes of working memory, weights not counted. Default: half of what is free to this process. */
  memoryBudget?: number | undefined;
  onProgress?: ((progress: AttributionProgress) => void) | undefined;
}

export const attributeSchema = z.strictObject({
  ...promptOptions,
  ...targetOptions,
  maxNewTokens,
  generation: samplingSchema.prefault({}),
  method: z.string().default("saliency"),
  options: z.record(z.string(), z.unknown()).default({}),
  step: stepChoice.optional(),
  stepScores: z.array(stepChoice).default(["probability"]),
  contrast: contrastSchema.optional(),
  aggregate: z.string().optional(),
  memoryBudget,
  onProgress: callback<NonNullable<AttributeOptions["onProgress"]>>(),
});

/**
 * Which tokens of the prompt, and of the text so far, did each output lean on? Outputs are the tokens that the target
 * adds to the prompt; without a target the model generates them first.
 *
 * @throws ERR_TOKENLENSE_INPUT for a wrong option, or an unknown method or step function (the hint names the nearest);
 * _PROMPT, _TARGET, _CONTEXT for the text; _CAPABILITY where the model lacks what the method needs; _MEMORY where the
 * budget is too small; _NON_FINITE; _CANCELLED when `signal` fires.
 */
export async function attribute<Name extends MethodName = MethodName>(
  options: AttributeOptions<Name>,
): Promise<Attribution> {
  const request = readRequest(options);
  const { model, signal, onProgress } = request.options;
  const tell = (phase: AttributionProgress["phase"], target?: string) => (done: number, total: number) =>
    onProgress?.({ phase, done, total, ...(target !== undefined && { target }) });
  let text = request.given;
  if (!text) {
    const planned = planGeneration(request);
    const [seconds, generations] = await timed(() => continuePrompts(model, [planned], signal, tell("generate")));
    text = continued(request, generations[0] as Generation);
    request.timings.generate = seconds;
  }
  const plan = planOf(request, text);
  const progress = tell("attribute", text.target);
  const [seconds, outcome] = await timed(() => run(() => native().attribute(model.native, plan, progress), signal));
  request.timings.attribute = seconds;
  return toAttribution(request, text, outcome);
}

type Checked = z.output<typeof attributeSchema>;

/** An attribution that is asked for: its options checked, its prompt read. */
export interface Request {
  options: Checked;
  choice: ResolvedChoice;
  prompt: Prompt;
  /** Where there is a target. */
  given?: AttributedText;
  timings: Record<string, number>;
}

/** Prompt and target as one sequence. */
export interface AttributedText {
  ids: Int32Array;
  target: string;
  generation?: Generation;
}

/** What `attribute` throws before there is work to do. */
export function readRequest(options: AttributeOptions): Request {
  const checked = parseOptions(attributeSchema, options);
  const { model, signal, target, targetIds, promptIds } = checked;
  const choice = resolveChoice(checked);
  requireCapability(model, choice.method);
  throwIfCancelled(signal);
  const prompt = readPrompt(model, checked);
  requireContext(model, "The prompt is", prompt.ids.length);
  if ((target !== undefined && promptIds) || (targetIds && !promptIds))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "target goes with prompt, targetIds with promptIds.");
  const request = { options: checked, choice, prompt, timings: {} };
  if (target === undefined && !targetIds) return request;
  const given = targetIds ? forcedIds(model, prompt, targetIds) : forcedSequence(model, prompt, target as string);
  requireContext(model, "Prompt and target together are", given.ids.length);
  return { ...request, given };
}

export function planGeneration({ options, prompt }: Request): PlannedContinuation {
  const { model, maxNewTokens, generation: sampling } = options;
  return planContinuation(model, { prompt, maxNewTokens, sampling });
}

/** @throws ERR_TOKENLENSE_TARGET where nothing was generated. */
export function continued({ prompt }: Request, generation: Generation): AttributedText {
  if (generation.ids.length === 0)
    throw endedAtOnce("Give a target, put the prompt in chat format, or pass stopTokens: [] to have it go on.");
  return { ids: joinIds(prompt.ids, generation.ids), target: prompt.input + generation.text, generation };
}

export function planOf({ options, choice, prompt }: Request, { ids }: AttributedText): AttributionPlan {
  const { model, contrast, memoryBudget } = options;
  const { method, own, step, stepScores } = choice;
  const promptLength = prompt.ids.length;
  const shape = method.plan(own, { model, ids, promptLength });
  return {
    ids,
    promptLength,
    step: step.spec,
    stepScores: stepScores.filter(({ score }) => !score).map(({ spec }) => spec),
    ...(contrast !== undefined && {
      contrast: readContrast(model, contrast, prompt, ids.length - promptLength, options, step.ownPrefix),
    }),
    ...dropoutOf([step, ...stepScores]),
    logits: stepScores.some(({ score }) => score),
    ...shape,
    memoryBudget: memoryBudget ?? freeForWork(),
    engine: "auto",
  } as AttributionPlan;
}

export function toAttribution(request: Request, text: AttributedText, outcome: NativeAttribution): Attribution {
  const { options, choice, prompt, timings } = request;
  const { method, own, step, stepScores } = choice;
  const { ids, target, generation } = text;
  const { model } = options;
  return new Attribution(
    {
      tokens: toTokens(model, ids, target, prompt.ids.length),
      promptLength: prompt.ids.length,
      scores: outcome.scores.data() as Float32Array,
      shape: outcome.scores.shape,
      dimensions: method.dimensions?.(own) ?? [],
      convergenceDeltas: outcome.deltas?.data() as Float32Array | undefined,
      pathSteps: outcome.steps?.data() as Int32Array | undefined,
      stepScores: scoresOf(stepScores, outcome, ids.subarray(prompt.ids.length)),
      method: method.name,
      step: step.spec.name,
      modelName: model.name,
      prompt: prompt.given,
      input: prompt.input,
      target,
      generation: generation?.parameters,
      stats: outcome.stats,
      timings,
      versions: { "tokenlense-native": packageVersion(), libtorch: native().info().libtorch },
      timestamp: new Date(),
    },
    () => outcome.scores.dispose(),
  );
}

/** @throws ERR_TOKENLENSE_CAPABILITY naming what the model lacks. */
export function requireCapability(model: Model, method: Method): void {
  const missing = lacking(method, model.contract);
  if (!missing) return;
  const sets = missing.map((names) => names.join(", "));
  throw new TokenlenseError(
    "ERR_TOKENLENSE_CAPABILITY",
    `The method "${method.name}" needs what ${model.name} does not have: ${sets.join("; or ")}.`,
    { hint: wayOut(model.contract, missing.flat()) },
  );
}

function wayOut({ contract }: Contract, missing: readonly string[]): string {
  if (contract === "minimal")
    return "It has the minimal contract, for gradients, paths and perturbations; models of a built-in family have layers too.";
  if (missing.includes(DEEPLIFT_RULES))
    return "There is none for a mixture of experts, whose choice jumps between the baseline and the input. Use integrated_gradients, input_x_gradient or attnlrp.";
  return "Build the model again from its folder or GGUF file: archives of this version have it.";
}

/** Seconds that work took, and what came of it. */
export async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const result = await work();
  return [(performance.now() - start) / 1000, result];
}
