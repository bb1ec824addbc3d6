import {
  type AttributedText,
  type AttributeOptions,
  type AttributionProgress,
  continued,
  planGeneration,
  planOf,
  type Request,
  readRequest,
  timed,
  toAttribution,
} from "../attribute.js";
import { TokenlenseError } from "../errors.js";
import { continuePrompts, type Generation, type PlannedContinuation } from "../generate.js";
import { native } from "../install/binding.js";
import type { Model } from "../models/model.js";
import type { AttributionPlan, GradientPlan, NativeAttribution } from "../native.js";
import type { Attribution } from "../result.js";
import { run } from "../task.js";
import { cutGenerations, cutPacks, rowsOf } from "./packs.js";

/** Inputs of which it is looked which go together; more gain little, and all wait for the last of them. */
export const TOGETHER = 16;

/** An input by its index. */
export interface Asked {
  index: number;
  options: Omit<AttributeOptions, "model" | "signal" | "onProgress">;
}

export type Answer = { index: number } & (
  | { result: Attribution; error?: undefined }
  | { result?: undefined; error: TokenlenseError }
);

export interface TogetherOptions {
  model: Model;
  signal: AbortSignal;
  /** Of each input that is at work. */
  onProgress?: ((index: number, progress: AttributionProgress) => void) | undefined;
  /** What is not wanted is computed only beside what is. Default: all are. */
  wanted?: ((index: number) => boolean) | undefined;
}

/**
 * Attributes some inputs, those together that are faster so, and gives what is through at a time. Which go together hangs
 * on the inputs alone, so that runs repeat. One that fails fails alone: where several do not get through together, each is
 * done by itself.
 * @throws ERR_TOKENLENSE_CANCELLED
 */
export async function* attributeTogether(
  asked: readonly Asked[],
  options: TogetherOptions,
): AsyncGenerator<Answer[], void, undefined> {
  const { model, signal } = options;
  const wanted = ({ index }: { index: number }) => options.wanted?.(index) ?? true;
  const { failed, rest } = attempt(asked, signal, ({ index, options: own }) => ({
    index,
    request: readRequest({ ...own, model, signal }),
  }));
  if (failed.length > 0) yield failed;
  const given = rest.flatMap(({ index, request }) => (request.given ? { index, request, text: request.given } : []));
  yield* attributeTexts(given, options);

  const open = attempt(
    rest.filter(({ request }) => !request.given),
    signal,
    ({ index, request }) => ({
      index,
      request,
      planned: planGeneration(request),
      memoryBudget: request.options.memoryBudget,
    }),
  );
  if (open.failed.length > 0) yield open.failed;
  for (const group of cutGenerations(model, open.rest)) {
    if (!group.some(wanted)) continue;
    const { failed, rest } = await settled(group, signal, (some) => generateTexts(some, options));
    if (failed.length > 0) yield failed;
    yield* attributeTexts(rest, options);
  }
}

interface Prompted {
  index: number;
  request: Request;
  planned: PlannedContinuation;
}

interface Text {
  index: number;
  request: Request;
  text: AttributedText;
}

async function* attributeTexts(
  texts: readonly Text[],
  options: TogetherOptions,
): AsyncGenerator<Answer[], void, undefined> {
  const { model, signal, wanted = () => true } = options;
  const { failed, rest } = attempt(texts, signal, (text) => ({ ...text, plan: planOf(text.request, text.text) }));
  if (failed.length > 0) yield failed;
  for (const pack of cutPacks(model, rest)) {
    if (!pack.some(({ index }) => wanted(index))) continue;
    const { failed, rest } = await settled(pack, signal, (some) => attributePack(some, options));
    yield [...failed, ...rest].sort((a, b) => a.index - b.index);
  }
}

async function generateTexts(group: readonly Prompted[], options: TogetherOptions): Promise<Attempt<Text>[]> {
  const { model, signal } = options;
  const planned = group.map(({ planned }) => planned);
  const [seconds, generations] = await timed(() =>
    continuePrompts(model, planned, signal, tellAll(group, "generate", options)),
  );
  return group.map(({ index, request }, i) => {
    request.timings.generate = seconds / group.length;
    return () => ({ index, request, text: continued(request, generations[i] as Generation) });
  });
}

async function attributePack(
  pack: readonly (Text & { plan: AttributionPlan })[],
  options: TogetherOptions,
): Promise<Attempt<Answer>[]> {
  const { model, signal } = options;
  const tell = tellAll(pack, "attribute", options);
  const plans = pack.map(({ plan }) => plan);
  const [seconds, outcomes] = await timed(() =>
    plans.length === 1
      ? run(() => native().attribute(model.native, plans[0] as AttributionPlan, tell), signal).then((one) => [one])
      : run(() => native().attributeTogether(model.native, plans as GradientPlan[], tell), signal),
  );
  const rows = plans.reduce((sum, plan) => sum + rowsOf(plan), 0);
  return pack.map(({ index, request, text, plan }, i) => {
    request.timings.attribute = (seconds * rowsOf(plan)) / rows;
    return () => ({ index, result: toAttribution(request, text, outcomes[i] as NativeAttribution) });
  });
}

function tellAll(
  inputs: readonly { index: number }[],
  phase: AttributionProgress["phase"],
  { onProgress }: TogetherOptions,
) {
  return (done: number, total: number) => {
    for (const { index } of inputs) onProgress?.(index, { phase, done, total });
  };
}

/** What may still fail for one input alone. */
type Attempt<T> = () => T;

interface Outcome<T> {
  failed: Answer[];
  rest: T[];
}

/** Work on several inputs; where it fails, on each by itself. */
async function settled<From extends { index: number }, To>(
  inputs: readonly From[],
  signal: AbortSignal,
  work: (some: readonly From[]) => Promise<Attempt<To>[]>,
): Promise<Outcome<To>> {
  const done = await work(inputs).catch((error: unknown) => thrown(error, signal));
  if (!(done instanceof TokenlenseError))
    return attempt(
      inputs.map(({ index }, i) => ({ index, finish: done[i] as Attempt<To> })),
      signal,
      ({ finish }) => finish(),
    );
  if (inputs.length === 1) return { failed: inputs.map(({ index }) => ({ index, error: done })), rest: [] };
  const all: Outcome<To> = { failed: [], rest: [] };
  for (const input of inputs) {
    const { failed, rest } = await settled([input], signal, work);
    all.failed.push(...failed);
    all.rest.push(...rest);
  }
  return all;
}

/** Work on one input after another. */
function attempt<From extends { index: number }, To>(
  inputs: readonly From[],
  signal: AbortSignal,
  work: (input: From) => To,
): Outcome<To> {
  const outcome: Outcome<To> = { failed: [], rest: [] };
  for (const input of inputs) {
    try {
      outcome.rest.push(work(input));
    } catch (error) {
      outcome.failed.push({ index: input.index, error: thrown(error, signal) });
    }
  }
  return outcome;
}

/** An input's own failure; the end of all work is none. */
function thrown(cause: unknown, signal: AbortSignal): TokenlenseError {
  const error = TokenlenseError.from(cause);
  if (signal.aborted && error.code === "ERR_TOKENLENSE_CANCELLED") throw error;
  return error;
}
