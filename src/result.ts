import { type AggregationStep, aggregate } from "./aggregation/index.js";
import { type NormalisationName, normalise } from "./aggregation/normalise.js";
import { aggregateScores } from "./aggregation/scores.js";
import { TokenlenseError } from "./errors.js";
import type { GenerationParameters } from "./generate.js";
import type { AttributionStats } from "./native.js";
import { toDocument } from "./storage/document.js";
import type { NativeDocument } from "./storage/schema.js";

/** A token of the sequence. */
export interface Token {
  /** Its form in the vocabulary: "Ġcapital". */
  token: string;
  /** What it stands for in the text: " capital". */
  text: string;
  /** −1 where it was merged of several, or is two that differ in a pair. */
  id: number;
  role: "prompt" | "target";
  /**
   * Where its text lies in the result's `target`: `target.slice(start, end)`, in UTF-16 code units as everywhere in
   * JavaScript. Tokens tile the text. Empty for what the text does not hold (BOS, a space that a tokenizer puts before every
   * text) and for a token that only begins a character; what the tokenizer dropped lies between two tokens.
   */
  start: number;
  end: number;
}

export type AttributionData = Omit<
  Attribution,
  "outputs" | "tokenScores" | "aggregate" | "normalised" | "toJSON" | "dispose" | typeof Symbol.dispose
>;

/**
 * Which tokens each output leaned on. `scores[s * outputs + o]` is what position s counted for output o; it is zero
 * where s does not come before o. The scores lie in native memory where the runtime allows that: `dispose()` gives it
 * back at once, otherwise it goes with the garbage collector.
 */
export class Attribution implements Disposable {
  /** Every position of the sequence: the prompt's, then the outputs. */
  readonly tokens: readonly Token[];
  readonly promptLength: number;
  /** [sequence, outputs], and after these a size for each of `dimensions`. */
  readonly shape: readonly number[];
  /** Names of the scores' dimensions after [sequence, outputs]: "embedding", "layer", "head". */
  readonly dimensions: readonly string[];
  /**
   * For each output, by how much its scores' sum (before they were aggregated) misses what the method says that it is:
   * of integrated gradients and DeepLIFT the step function's change from the baseline, of AttnLRP its value. Undefined
   * where a method says nothing of the sum.
   */
  readonly convergenceDeltas: Float32Array | undefined;
  /** For each output, at how many points of a path the model was differentiated; undefined for other methods. */
  readonly pathSteps: Int32Array | undefined;
  /** Other step functions at each output, [outputs] each. */
  readonly stepScores: Readonly<Record<string, Float32Array>>;
  readonly method: string;
  /** The attributed step function; undefined in files that TokenLense wrote. */
  readonly step: string | undefined;
  readonly modelName: string;
  /** As it was given. */
  readonly prompt: string;
  /** As the model read it: the prompt, in chat format where that was asked for. */
  readonly input: string;
  /** The whole text: `input` and its continuation. */
  readonly target: string;
  /** How the continuation was generated; undefined where it was given. */
  readonly generation: Readonly<Partial<GenerationParameters>> | undefined;
  /** What the native engine says of its work; undefined in files that TokenLense wrote. */
  readonly stats: Readonly<AttributionStats> | undefined;
  /** Seconds, by phase: "generate", "attribute". Of what was computed together with others (`attributeMany`), its share. */
  readonly timings: Readonly<Record<string, number>>;
  /** Of this package ("tokenlense-native") and of libtorch. */
  readonly versions: Readonly<Record<string, string>>;
  readonly timestamp: Date;

  #scores: Float32Array | undefined;
  #tokenScores: Float32Array | undefined;
  #release: (() => void) | undefined;

  /** `release` gives back the memory behind `data.scores`. */
  constructor(data: AttributionData, release?: () => void) {
    this.tokens = data.tokens;
    this.promptLength = data.promptLength;
    this.shape = data.shape;
    this.dimensions = data.dimensions;
    this.convergenceDeltas = data.convergenceDeltas;
    this.pathSteps = data.pathSteps;
    this.stepScores = data.stepScores;
    this.method = data.method;
    this.step = data.step;
    this.modelName = data.modelName;
    this.prompt = data.prompt;
    this.input = data.input;
    this.target = data.target;
    this.generation = data.generation;
    this.stats = data.stats;
    this.timings = data.timings;
    this.versions = data.versions;
    this.timestamp = data.timestamp;
    this.#scores = data.scores;
    this.#release = release;
  }

  /**
   * Row-major, `shape`.
   * @throws ERR_TOKENLENSE_DISPOSED after `dispose()`.
   */
  get scores(): Float32Array {
    if (this.#scores) return this.#scores;
    throw new TokenlenseError("ERR_TOKENLENSE_DISPOSED", "This attribution was disposed of.");
  }

  /** How many tokens were attributed. */
  get outputs(): number {
    return this.tokens.length - this.promptLength;
  }

  /**
   * One score for each position and output, [sequence, outputs]: `scores`, with `dimensions` aggregated from the last to
   * the first, the embedding by its L2 norm and others by their mean.
   */
  get tokenScores(): Float32Array {
    const { scores } = this;
    if (this.dimensions.length === 0) return scores;
    this.#tokenScores ??= this.dimensions.reduce((data) => aggregateScores(data), this.#data()).scores;
    return this.#tokenScores;
  }

  /**
   * A new attribution, made of this one by steps, one after another: words instead of tokens, one score instead of a
   * dimension, the difference to another attribution. Functions and aggregations are those of Inseq 0.7.1, without the
   * normalisation over positions that Inseq's `aggregate` adds to the scores: see {@link normalised}. Scores that Inseq
   * has as NaN, as the position does not come before the output, are zero; where "absmax" merges the tokens of an output,
   * that output may have a score for itself. Texts, statistics and the like stay those of this attribution.
   *
   * @throws ERR_TOKENLENSE_INPUT for an unknown name (the hint gives the nearest) or a step that does not fit;
   * _NON_FINITE where a score becomes infinite or NaN; _DISPOSED.
   */
  aggregate(steps: AggregationStep | readonly AggregationStep[]): Attribution {
    const data = aggregate(this.#data(), steps);
    return this.#derived(data, data.scores);
  }

  /**
   * A new attribution with scores on another scale. "inseq": each output's sizes sum to 1 over the positions; "rescale":
   * divided by the largest size of all; "tokenlense": TokenLense's own, min–max over the outputs for each position.
   * @throws ERR_TOKENLENSE_INPUT for another name, ERR_TOKENLENSE_DISPOSED.
   */
  normalised(by: NormalisationName): Attribution {
    const inner = this.shape.slice(2).reduce((product, size) => product * size, 1);
    return this.#derived(this, normalise(by, this.scores, this.outputs, inner));
  }

  /** TokenLense's native storage schema, version 1.1.0, and what this package adds to it. */
  toJSON(): NativeDocument {
    return toDocument(this);
  }

  dispose(): void {
    this.#scores = undefined;
    this.#tokenScores = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #data(): AttributionData {
    return { ...this, scores: this.scores };
  }

  /** Never with this one's own scores, whose memory goes when this is disposed of. */
  #derived(data: AttributionData, scores: Float32Array): Attribution {
    return new Attribution({ ...data, scores: scores === this.scores ? scores.slice() : scores });
  }
}
