import { z } from "zod";
import {
  type AttributeOptions,
  type AttributionProgress,
  attribute,
  attributeSchema,
  requireCapability,
} from "./attribute.js";
import { TokenlenseError } from "./errors.js";
import { resolveChoice } from "./methods/choice.js";
import { findMethod, type MethodName } from "./methods/index.js";
import { callback, parseOptions } from "./options.js";
import type { Attribution } from "./result.js";
import { cancelled, throwIfCancelled } from "./task.js";

/** A prompt, or a prompt with options of its own, which go before those of all. */
export type AttributeInput = string | Omit<AttributeOptions, "model" | "signal" | "onProgress">;

/** What became of one input. */
export type AttributeOutcome<Input extends AttributeInput = AttributeInput> =
  | { index: number; input: Input; result: Attribution; error?: undefined }
  | { index: number; input: Input; result?: undefined; error: TokenlenseError };

export interface ManyProgress {
  /** Inputs that are through, those that failed among them. */
  done: number;
  failed: number;
  /** Of an array; of other iterables it is not known. */
  total: number | undefined;
  /** The input at work, between two that are through. */
  current?: AttributionProgress & { index: number };
}

export interface AttributeManyOptions<Name extends MethodName = MethodName>
  extends Omit<
    AttributeOptions<Name>,
    "prompt" | "promptIds" | "messages" | "target" | "targetIds" | "contrast" | "onProgress"
  > {
  /**
   * How many more inputs are taken than results were asked for. Default 1: the next one is computed while the caller
   * stores the last. 0 to take an input only when it is its turn.
   */
  lookAhead?: number | undefined;
  onProgress?: ((progress: ManyProgress) => void) | undefined;
}

const schema = attributeSchema
  .omit({ prompt: true, promptIds: true, messages: true, target: true, targetIds: true, contrast: true })
  .extend({
    lookAhead: z.int().nonnegative().default(1),
    onProgress: callback<NonNullable<AttributeManyOptions["onProgress"]>>(),
  });

/**
 * Attributes prompt after prompt, and gives each result as it is finished, with its input and the input's index. A prompt
 * that fails is given as `{ index, input, error }`, and the others go on. Inputs are taken as results are asked for, never
 * more than `lookAhead` ahead; at most `lookAhead` + 1 results wait for their reader. Each is the reader's to dispose of.
 *
 * @throws at once ERR_TOKENLENSE_INPUT for a wrong option and _CAPABILITY for a method that the model has not; while it
 * runs _CANCELLED when `signal` fires, and what the iterable itself throws, after the results of the inputs before.
 */
export function attributeMany<Input extends AttributeInput, Name extends MethodName = MethodName>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  options: AttributeManyOptions<Name>,
): AsyncGenerator<AttributeOutcome<Input>, void, undefined> {
  const checked = parseOptions(schema, options);
  if (typeof inputs === "string" || !isIterable(inputs))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "inputs: expected an array or another iterable of prompts.");
  // An input may bring its own contrast, so what needs one is no fault yet; the step is named lest the contrast choose it.
  const { method } = resolveChoice({
    ...checked,
    step: checked.step ?? findMethod(checked.method).step,
    contrast: "an input's own",
  });
  requireCapability(checked.model, method);
  return outcomes(inputs, checked);
}

type Checked = z.output<typeof schema>;

async function* outcomes<Input extends AttributeInput>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  { lookAhead, onProgress, signal, ...shared }: Checked,
): AsyncGenerator<AttributeOutcome<Input>, void, undefined> {
  const leaving = new AbortController();
  const stop = AbortSignal.any(signal ? [signal, leaving.signal] : [leaving.signal]);
  const source = iterator(inputs);
  const running = new Map<number, Promise<AttributeOutcome<Input>>>();
  const progress: ManyProgress = { done: 0, failed: 0, total: Array.isArray(inputs) ? inputs.length : undefined };
  let coming: Promise<Taken<Input>> | undefined;
  let taken = 0;
  let end: { error?: unknown } | undefined;

  const begin = (index: number, input: Input) => {
    const own: object = typeof input === "string" ? { prompt: input } : input;
    const tell = (current: AttributionProgress) => onProgress?.({ ...progress, current: { ...current, index } });
    // Whatever is wrong with an input is its own affair; only what is passed on here as an option is typed.
    const options = { ...shared, ...own, signal: stop, ...(onProgress && { onProgress: tell }) } as AttributeOptions;
    running.set(
      index,
      attribute(options).then(
        (result) => ({ index, input, result }),
        (error: unknown) => ({ index, input, error: TokenlenseError.from(error) }),
      ),
    );
  };

  const fired = abortion(stop);
  try {
    while (!end || running.size > 0) {
      throwIfCancelled(signal);
      if (!end && running.size <= lookAhead) coming ??= take(source);
      const event = await Promise.race([...(coming ? [coming] : []), ...running.values(), fired]);
      throwIfCancelled(signal);
      if ("end" in event) {
        coming = undefined;
        end = event.end;
      } else if ("taken" in event) {
        coming = undefined;
        begin(taken++, event.taken);
      } else {
        running.delete(event.index);
        progress.done++;
        if (event.error) progress.failed++;
        onProgress?.({ ...progress });
        yield event;
      }
    }
    if (end.error !== undefined) throw end.error;
  } finally {
    leaving.abort();
    for (const { result } of await Promise.all(running.values())) result?.dispose();
    // A source that is still asked for its next input would answer only after that.
    const returned = end ? undefined : Promise.resolve(source.return?.()).catch(() => {});
    if (!coming) await returned;
  }
}

type Taken<Input> = { taken: Input } | { end: { error?: unknown } };

async function take<Input>(source: Iterator<Input> | AsyncIterator<Input>): Promise<Taken<Input>> {
  try {
    const { done, value } = await source.next();
    return done ? { end: {} } : { taken: value };
  } catch (error) {
    return { end: { error } };
  }
}

function abortion(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(cancelled(signal)), { once: true });
  });
  promise.catch(() => {});
  return promise;
}

function iterator<Input>(inputs: Iterable<Input> | AsyncIterable<Input>): Iterator<Input> | AsyncIterator<Input> {
  return Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
}

function isIterable(value: unknown): boolean {
  return typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}
