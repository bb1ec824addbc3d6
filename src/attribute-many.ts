import { z } from "zod";
import { type AttributeOptions, type AttributionProgress, attributeSchema, requireCapability } from "./attribute.js";
import { TokenlenseError } from "./errors.js";
import { resolveChoice } from "./methods/choice.js";
import { findMethod, type MethodName } from "./methods/index.js";
import { callback, parseOptions } from "./options.js";
import type { Attribution } from "./result.js";
import { cancelled, throwIfCancelled } from "./task.js";
import { type Answer, type Asked, attributeTogether, TOGETHER } from "./together/together.js";

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
  /** An input at work, between two that are through; of inputs that are computed together each is told. */
  current?: AttributionProgress & { index: number };
}

export interface AttributeManyOptions<Name extends MethodName = MethodName>
  extends Omit<
    AttributeOptions<Name>,
    "prompt" | "promptIds" | "messages" | "target" | "targetIds" | "contrast" | "onProgress"
  > {
  /**
   * How many more inputs are taken than results were asked for. Default 31: short ones of the next sixteen are computed
   * together while the caller stores the last. With 1, one is computed meanwhile; 0 to take an input only when it is its
   * turn; with either, each is computed by itself.
   */
  lookAhead?: number | undefined;
  onProgress?: ((progress: ManyProgress) => void) | undefined;
}

const schema = attributeSchema
  .omit({ prompt: true, promptIds: true, messages: true, target: true, targetIds: true, contrast: true })
  .extend({
    lookAhead: z
      .int()
      .nonnegative()
      .default(2 * TOGETHER - 1),
    onProgress: callback<NonNullable<AttributeManyOptions["onProgress"]>>(),
  });

/**
 * Attributes prompt after prompt, and gives each result as it is finished, with its input and the input's index. A prompt
 * that fails is given as `{ index, input, error }`, and the others go on. Inputs are taken as results are asked for, never
 * more than `lookAhead` ahead.
 *
 * Weights take as long to read for one short text as for several, so half of the inputs that are taken, sixteen at most,
 * are computed together where that is faster: prompts of about one length are continued together, and texts of up to some
 * thirty tokens are attributed together by methods of one backward pass (saliency, input_x_gradient, tokenlense,
 * layer_gradient_x_activation, deeplift, attnlrp); results then come in another order. Nobody waits for an input
 * that is still to come. How float32 is multiplied hangs on the number of rows, so scores differ from those of `attribute`
 * in the last bits, and where two tokens are all but equally likely another one may be generated; `lookAhead: 0` gives
 * those of `attribute`. Seconds and operations of what was computed together are shared out among its results.
 *
 * Results of two such steps wait for their reader at most. Each is the reader's to dispose of.
 *
 * @throws at once ERR_TOKENLENSE_INPUT for a wrong option and _CAPABILITY for a method that the model has not; while it
 * runs _CANCELLED when `signal` fires, and what the iterable itself throws, after the results of the inputs before.
 */
export function attributeMany<Input extends AttributeInput, Name extends MethodName = MethodName>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  options: AttributeManyOptions<Name>,
): AsyncGenerator<AttributeOutcome<Input>, void, undefined> {
  const checked = checkShared(options);
  if (typeof inputs === "string" || !isIterable(inputs))
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", "inputs: expected an array or another iterable of prompts.");
  return outcomes(inputs, checked);
}

type Checked = z.output<typeof schema>;

/** Options for all inputs, with what no input could make good found at once. */
export function checkShared(options: AttributeManyOptions): Checked {
  const checked = parseOptions(schema, options);
  // An input may bring its own contrast, so what needs one is no fault yet; the step is named lest the contrast choose it.
  const { method } = resolveChoice({
    ...checked,
    step: checked.step ?? findMethod(checked.method).step,
    contrast: "an input's own",
  });
  requireCapability(checked.model, method);
  return checked;
}

async function* outcomes<Input extends AttributeInput>(
  inputs: Iterable<Input> | AsyncIterable<Input>,
  { lookAhead, onProgress, signal, ...shared }: Checked,
): AsyncGenerator<AttributeOutcome<Input>, void, undefined> {
  const leaving = new AbortController();
  const stop = AbortSignal.any(signal ? [signal, leaving.signal] : [leaving.signal]);
  const source = iterator(inputs);
  const most = Math.min(TOGETHER, Math.ceil((lookAhead + 1) / 2));
  const held = new Map<number, Input>(); // taken, and not given yet
  const waiting: Asked[] = [];
  const finished: Answer[][] = [];
  const progress: ManyProgress = { done: 0, failed: 0, total: Array.isArray(inputs) ? inputs.length : undefined };
  let coming: Promise<Taken<Input>> | undefined;
  let taken = 0;
  let end: { error?: unknown } | undefined;
  let steps: ReturnType<typeof attributeTogether> | undefined;
  let step: Promise<Stepped> | undefined;

  const take = () => {
    if (!end && held.size <= lookAhead) coming ??= next(source);
    return coming ?? [];
  };
  const settle = (event: Taken<Input> | Stepped) => {
    if ("step" in event) {
      step = undefined;
      if (event.step.done) steps = undefined;
      else finished.push(event.step.value);
      return;
    }
    coming = undefined;
    if ("end" in event) {
      end = event.end;
      return;
    }
    const { taken: input } = event;
    const own: object = typeof input === "string" ? { prompt: input } : input;
    // Whatever is wrong with an input is its own affair; only what is passed on here as an option is typed.
    waiting.push({ index: taken, options: { ...shared, ...own } as Asked["options"] });
    held.set(taken++, input);
  };
  /** What the source has at hand. */
  const gather = async () => {
    while (waiting.length < most) {
      const event = await Promise.race([take(), soon(), fired].flat());
      if (!event) return;
      settle(event);
    }
  };
  async function* windows() {
    const tell = (index: number, current: AttributionProgress) =>
      onProgress?.({ ...progress, current: { ...current, index } });
    while (waiting.length > 0)
      yield* attributeTogether(waiting.splice(0, most), { model: shared.model, signal: stop, onProgress: tell });
  }
  /** While one step's results are read, the next is computed, and no third one. */
  const work = () => {
    if (step || finished.length > 1) return;
    if (waiting.length > 0) steps ??= windows();
    step = steps?.next().then((step) => ({ step }));
    step?.catch(() => {}); // told where it is waited for
  };

  const fired = abortion(stop);
  try {
    for (;;) {
      throwIfCancelled(signal);
      await gather();
      work();
      const answer = finished[0]?.shift();
      if (finished[0]?.length === 0) finished.shift();
      if (answer) {
        const input = held.get(answer.index) as Input;
        held.delete(answer.index);
        progress.done++;
        if (answer.error) progress.failed++;
        onProgress?.({ ...progress });
        yield { ...answer, input };
      } else if (end && held.size === 0) {
        break;
      } else {
        settle(await Promise.race([take(), step ?? [], fired].flat()));
      }
    }
    if (end.error !== undefined) throw end.error;
  } finally {
    leaving.abort();
    const last = await step?.catch(() => undefined);
    for (const { result } of [...finished, last?.step.value ?? []].flat()) result?.dispose();
    // A source that is still asked for its next input would answer only after that.
    const returned = end ? undefined : Promise.resolve(source.return?.()).catch(() => {});
    if (!coming) await returned;
  }
}

type Stepped = { step: IteratorResult<Answer[], void> };
type Taken<Input> = { taken: Input } | { end: { error?: unknown } };

async function next<Input>(source: Iterator<Input> | AsyncIterator<Input>): Promise<Taken<Input>> {
  try {
    const { done, value } = await source.next();
    return done ? { end: {} } : { taken: value };
  } catch (error) {
    return { end: { error } };
  }
}

/** Nothing, after all that is ready by now. */
function soon(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
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
