import { group } from "d3-array";
import { mean } from "simple-statistics";
import { z } from "zod";
import { type ContrastOption, contrastSchema, readContrast } from "../contrast.js";
import { TokenlenseError } from "../errors.js";
import { native } from "../install/binding.js";
import { occlusion } from "../methods/occlusion.js";
import { baseline, baselinePlan, seed } from "../methods/options.js";
import type { Model } from "../models/model.js";
import type { PerturbationPlan } from "../native.js";
import { callback, freeForWork, memoryBudget, parseOptions, promptOptions, stepChoice } from "../options.js";
import type { Attribution } from "../result.js";
import { requireContext, requireIds } from "../sequence.js";
import { type ResolvedStep, resolveStep, type StepChoice } from "../steps/index.js";
import { dropoutOf, requireContrast, requireStep } from "../steps/run.js";
import { run, throwIfCancelled } from "../task.js";
import {
  type CurvePlan,
  combined,
  countOf,
  type FaithfulnessFigures,
  figuresOf,
  type Points,
  planCurves,
  pointsOf,
} from "./figures.js";
import { MaskedTexts } from "./masked-texts.js";
import { draw, type RankBy, randomRanking, rankingOf } from "./rankings.js";
import { type FaithfulnessSummary, type OutputFigures, summariseFaithfulness, summaryOptions } from "./summary.js";

export interface FaithfulnessProgress {
  /** Texts with tokens replaced that the model has read. */
  done: number;
  total: number;
}

export interface FaithfulnessOptions {
  /** The model that was attributed. */
  model: Model;
  /** Shares of the tokens before an output, above 0 and below 1. Default [0.01, 0.05, 0.1, 0.2, 0.5], DeYoung et al.'s. */
  shares?: readonly number[] | undefined;
  /** The curves go through so many equal steps, beside the shares and both ends. Default 4. */
  curveSteps?: number | undefined;
  /**
   * What stands for a token that is taken away, as the methods' baseline: "unk" or "pad" token, "zero" vector, "mean" of all
   * embeddings, or the tokens of a text. Default: unk where the model has one, else zero.
   */
  replacement?: "unk" | "pad" | "zero" | "mean" | { text: string } | undefined;
  /**
   * Which tokens count as the first: those with the largest scores, which the method says raise the step function, or those
   * with the largest sizes. Default "score"; for methods that give sizes only it is the same.
   */
  rank?: RankBy | undefined;
  /**
   * Default: the step function that was attributed, without options of its own. To compare methods whose own differ, name
   * one; of functions that fall as the model grows surer, such as crossentropy, what is better turns round.
   */
  step?: StepChoice | undefined;
  /** As in `attribute`, for step functions that need one. */
  contrast?: ContrastOption | undefined;
  /** Random rankings to set the attribution against. Default seed 0, 3 repeats. */
  random?: { seed?: number | undefined; repeats?: number | undefined } | undefined;
  /** At most so many outputs of each result, evenly chosen: the work grows with outputs times tokens. Default: all. */
  mostOutputs?: number | undefined;
  /** Resamples of the bootstrap. Default 1000. */
  resamples?: number | undefined;
  /** Bytes of working memory, weights not counted. Default: half of what is free to this process. */
  memoryBudget?: number | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: FaithfulnessProgress) => void) | undefined;
}

/** How faithful the attribution of one output is. */
export interface OutputFaithfulness extends OutputFigures {
  /** From 0. */
  readonly output: number;
  readonly text: string;
  /** How many tokens come before it. */
  readonly tokens: number;
  /** How many of them are taken at each point of the curves. */
  readonly counts: readonly number[];
  /** The step function here. */
  readonly value: number;
  /** The same with all tokens before the output replaced. */
  readonly replaced: number;
}

export interface ResultFaithfulness {
  readonly method: string;
  readonly step: string;
  readonly outputs: readonly OutputFaithfulness[];
  readonly mean: FaithfulnessSummary;
}

export interface Faithfulness {
  readonly shares: readonly number[];
  /** Of the curves: shares of the tokens before an output, from 0 to 1. */
  readonly points: readonly number[];
  readonly repeats: number;
  /** One for each result, in their order. */
  readonly results: readonly ResultFaithfulness[];
  /** Over all results: of one method on many texts, say. */
  readonly mean: FaithfulnessSummary;
  readonly stats: {
    /** Texts with tokens replaced that the model read. */
    readonly texts: number;
    /** Floating-point operations, and seconds of native work. */
    readonly flops: number;
    readonly seconds: number;
  };
}

const schema = z.strictObject({
  model: promptOptions.model,
  shares: z.array(z.number().gt(0).lt(1)).min(1).default([0.01, 0.05, 0.1, 0.2, 0.5]),
  curveSteps: z.int().positive().default(4),
  replacement: baseline,
  rank: z.enum(["score", "size"]).default("score"),
  step: stepChoice.optional(),
  contrast: contrastSchema.optional(),
  random: z.strictObject({ seed, repeats: z.int().positive().default(3) }).prefault({}),
  mostOutputs: z.int().positive().optional(),
  resamples: summaryOptions.shape.resamples,
  memoryBudget,
  signal: promptOptions.signal,
  onProgress: callback<NonNullable<FaithfulnessOptions["onProgress"]>>(),
});

type Checked = z.output<typeof schema>;

/**
 * Does the model lean on the tokens that an attribution names? Tokens before each output are replaced in the order of their
 * scores, and the step function evaluated without them and with them alone: comprehensiveness and sufficiency (DeYoung et
 * al. 2020, "ERASER", https://aclanthology.org/2020.acl-main.408), deletion and insertion curves (Petsiuk et al. 2018,
 * "RISE", https://arxiv.org/abs/1806.07421), each beside the same for random orders. Texts run together in one native call
 * for each text and step function; results of several methods on one text share their random orders.
 *
 * @throws ERR_TOKENLENSE_INPUT for a wrong option, a result whose tokens are not single tokens of this model, or a step
 * function that cannot be evaluated; _TARGET for the contrast; _MEMORY where the budget is too small; _NON_FINITE;
 * _DISPOSED; _CANCELLED when `signal` fires.
 */
export async function faithfulness(
  results: Attribution | readonly Attribution[],
  options: FaithfulnessOptions,
): Promise<Faithfulness> {
  const checked = parseOptions(schema, options);
  const { model, signal, onProgress } = checked;
  throwIfCancelled(signal);
  const list = "tokens" in results ? [results] : results;
  if (list.length === 0) throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "There is no result to evaluate.");
  const points = pointsOf(checked.shares, checked.curveSteps);
  const texts = groupByText(list.map((result) => readResult(result, checked))).map((reads) =>
    planText(reads, points, checked),
  );

  const stats = { texts: 0, flops: 0, seconds: 0 };
  const total = texts.reduce((sum, { count }) => sum + count, 0);
  const found = new Map<Attribution, ResultFaithfulness>();
  for (const { plan, count, results } of texts) {
    const { scores, stats: own } = await run(
      () => native().attribute(model.native, plan, (done) => onProgress?.({ done: stats.texts + done, total })),
      signal,
    );
    const values = Float32Array.from(scores.data() as Float32Array);
    scores.dispose();
    stats.texts += count;
    stats.flops += own.flops;
    stats.seconds += own.seconds;
    for (const planned of results) found.set(planned.result, figuresOfResult(planned, values, points, checked));
  }
  const each = list.map((result) => found.get(result) as ResultFaithfulness);
  return {
    shares: checked.shares,
    points: points.points,
    repeats: checked.random.repeats,
    results: each,
    mean: summariseFaithfulness(each, { resamples: checked.resamples, seed: checked.random.seed }),
    stats,
  };
}

/** A result, and the step function to evaluate. */
interface Read {
  result: Attribution;
  ids: Int32Array;
  step: ResolvedStep;
}

function readResult(result: Attribution, { model, step: chosen, contrast }: Checked): Read {
  const step = resolveStep(chosen ?? result.step ?? "probability");
  requireStep(occlusion, step);
  requireContrast([step], contrast);
  const ids = Int32Array.from(result.tokens, ({ id }) => id);
  if (ids.includes(-1))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "The result has tokens that were merged of several.", {
      hint: "Give the result as `attribute` gave it, before `aggregate`.",
    });
  requireIds(model, "The result", ids);
  requireContext(model, "The result is", ids.length);
  const pieces = model.tokenizer.tokens(ids);
  const other = result.tokens.findIndex(({ token }, i) => pieces[i]?.token !== token);
  if (other >= 0)
    throw new TokenlenseError(
      "ERR_TOKENLENSE_INPUT",
      `The result is of ${result.modelName}, whose token ${ids[other]} is "${result.tokens[other]?.token}"; of ${model.name} it is "${pieces[other]?.token}".`,
      { hint: "Give the model that was attributed." },
    );
  return { result, ids, step };
}

/** Results of the same text and step function. */
function groupByText(results: readonly Read[]): Read[][] {
  const text = ({ ids, result, step }: Read) => JSON.stringify([[...ids], result.promptLength, step.spec]);
  return [...group(results, text).values()];
}

interface PlannedResult {
  result: Attribution;
  step: string;
  /** Of the outputs that are evaluated: the attribution's, and those of the random rankings. */
  curves: readonly { output: number; attribution: CurvePlan; random: readonly CurvePlan[] }[];
}

function planText(
  reads: readonly Read[],
  { points }: Points,
  options: Checked,
): { plan: PerturbationPlan & { perturbation: "masked" }; count: number; results: PlannedResult[] } {
  const { model, contrast } = options;
  const [{ result: first, ids, step }] = reads as [Read];
  const { promptLength, outputs } = first;
  const rows = ids.length - 1;
  const draws = draw(rows, options.random);
  const texts = new MaskedTexts();
  const random = chosenOutputs(outputs, options.mostOutputs).map((output) => ({
    output,
    random: draws.rankings.map((numbers) => planCurves(texts, randomRanking(promptLength + output, numbers), points)),
  }));
  const results = reads.map(({ result, step }): PlannedResult => {
    const curves = random.map(({ output, random }) => ({
      output,
      attribution: planCurves(texts, rankingOf(result, output, options.rank, draws), points),
      random,
    }));
    return { result, step: step.spec.name, curves };
  });
  const masked = texts.plan(rows, promptLength);
  const prompt = { given: first.prompt, input: first.input, ids: ids.slice(0, promptLength) };
  return {
    count: masked.masks.length / rows,
    results,
    plan: {
      ...{ kind: "perturbation", perturbation: "masked", engine: "auto" },
      ...{ ids, promptLength, step: step.spec, stepScores: [] },
      ...(contrast !== undefined && {
        contrast: readContrast(model, contrast, prompt, outputs, { chat: false }, step.ownPrefix),
      }),
      ...dropoutOf([step]),
      ...masked,
      baseline: baselinePlan(options.replacement, { model, ids, promptLength }),
      memoryBudget: options.memoryBudget ?? freeForWork(),
    },
  };
}

function figuresOfResult(
  { result, step, curves }: PlannedResult,
  values: Float32Array,
  points: Points,
  { resamples, random: { seed } }: Checked,
): ResultFaithfulness {
  const outputs = curves.map(({ output, attribution, random }): OutputFaithfulness => {
    const tokens = result.promptLength + output;
    const figures = (plan: CurvePlan): FaithfulnessFigures => figuresOf(plan, values, points, tokens);
    const own = figures(attribution);
    return {
      output,
      text: result.tokens[tokens]?.text ?? "",
      tokens,
      counts: points.points.map((point) => countOf(point, tokens)),
      value: own.deletion[0] as number,
      replaced: own.insertion[0] as number,
      attribution: own,
      random: combined(random.map(figures), mean),
    };
  });
  return { method: result.method, step, outputs, mean: summariseFaithfulness([{ outputs }], { resamples, seed }) };
}

/** The first and the last among them, where more than one is asked for. */
function chosenOutputs(outputs: number, most = outputs): number[] {
  const count = Math.min(outputs, most);
  return Array.from({ length: count }, (_, i) => Math.round((i * (outputs - 1)) / Math.max(1, count - 1)));
}
