import type { PlannedContinuation } from "../generate.js";
import type { Contract } from "../models/contract.js";
import type { Model } from "../models/model.js";
import type { AttributionPlan, GradientPlan } from "../native.js";

/**
 * Rows of hidden states that an attribution works on, forward and back. A text of up to `SHORT` mostly waits for weights,
 * so it is faster with others; `FULL` of them together have little more to gain. bench/batches.ts on two cores with AMX,
 * SmolLM2-135M in float32, sixteen at once against one by one: 24 rows (3 + 4 tokens) 3.4 times as fast, 149 (7 + 11) 2.1,
 * 342 (18 + 13) 1.2; 1394 (30 + 30) gained nothing.
 */
const SHORT = 512;
const FULL = 1536;

/** Bytes for keys and values of texts that are generated together; of a memory budget, a quarter. */
const CACHES = 256 * 2 ** 20;

export interface Planned {
  plan: AttributionPlan;
}

export interface Prompted {
  planned: PlannedContinuation;
  /** Where one was given: what is free differs from run to run. */
  memoryBudget: number | undefined;
}

/** Rows of the forward pass, and those that each output's backward pass has. */
export function rowsOf({ ids, promptLength }: Pick<AttributionPlan, "ids" | "promptLength">): number {
  const outputs = ids.length - promptLength;
  return ids.length - 1 + outputs * promptLength + (outputs * (outputs - 1)) / 2;
}

/**
 * Which texts are attributed together: short ones, by methods of one backward pass, which is what the native engine can do
 * of several; none twice as long as another, for what is shorter leaves empty rows. It hangs on the texts and the model
 * alone, so that runs repeat.
 */
export function cutPacks<Text extends Planned>(model: Model, texts: readonly Text[]): Text[][] {
  const isShort = ({ plan }: Text) => plan.kind === "gradient" && batches(model) && rowsOf(plan) <= SHORT;
  const packs: Text[][] = [];
  for (const text of texts.filter(isShort).sort(byKindAndLength)) {
    const pack = packs.at(-1);
    if (pack && areAlike([...pack, text])) pack.push(text);
    else packs.push([text]);
  }
  return [...packs, ...texts.filter((text) => !isShort(text)).map((text) => [text])];
}

/**
 * Which prompts are continued together: each step reads all weights, however many texts it serves. All stand at the same
 * position, so a longer prompt has others wait for it: no more of that than half of what a text may be given.
 */
export function cutGenerations<Text extends Prompted>(model: Model, texts: readonly Text[]): Text[][] {
  const groups: Text[][] = [];
  for (const text of texts.toSorted((a, b) => a.planned.plan.ids.length - b.planned.plan.ids.length)) {
    const group = groups.at(-1);
    if (group && batches(model) && fits(model.contract, [...group, text])) group.push(text);
    else groups.push([text]);
  }
  return groups;
}

/** What was measured is the layered contract on processors; whatever else there is goes one by one. */
function batches({ contract, native }: Model): boolean {
  return contract.contract === "layered" && native.device === "cpu";
}

type Named = Pick<GradientPlan, "rules" | "layer">;
const kindOf = ({ plan }: Planned): string => `${(plan as Named).rules} ${(plan as Named).layer}`;

function byKindAndLength(a: Planned, b: Planned): number {
  const [one, other] = [kindOf(a), kindOf(b)];
  if (one !== other) return one < other ? -1 : 1;
  return a.plan.ids.length - b.plan.ids.length;
}

/** Texts in the order of their lengths. */
function areAlike(texts: readonly Planned[]): boolean {
  const [first, last] = [texts[0], texts.at(-1)] as [Planned, Planned];
  const empty = texts.map(({ plan }) => last.plan.ids.length - plan.ids.length).reduce((sum, rows) => sum + rows);
  const rows = texts.map(({ plan }) => rowsOf(plan)).reduce((sum, rows) => sum + rows, empty);
  return kindOf(first) === kindOf(last) && last.plan.ids.length < 2 * first.plan.ids.length && rows <= FULL;
}

function fits(contract: Contract, texts: readonly Prompted[]): boolean {
  const plans = texts.map(({ planned }) => planned.plan);
  const lengths = plans.map(({ ids }) => ids.length);
  const fewest = Math.min(...plans.map(({ maxNewTokens }) => maxNewTokens));
  if (Math.max(...lengths) - Math.min(...lengths) > fewest / 2) return false;
  const capacity = Math.max(...plans.map(({ ids, maxNewTokens }) => ids.length + maxNewTokens));
  const { layers, kvHeads, headDim } = contract;
  const bytes = texts.length * capacity * 2 * layers * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT;
  return (
    bytes <= Math.min(...texts.map(({ memoryBudget }) => (memoryBudget === undefined ? CACHES : memoryBudget / 4)))
  );
}
