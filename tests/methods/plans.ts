import { native } from "../../src/install/binding.js";
import type {
  AttributionPlan,
  BaselinePlan,
  GradientPlan,
  InternalsPlan,
  NativeAttribution,
  NativeModel,
  PlanBase,
  StepFunctionSpec,
} from "../../src/native.js";
import { resolveStep } from "../../src/steps/index.js";
import { PROBABILITY, type Sizes } from "../native/random-model.js";

export const LOGIT = resolveStep("logit").spec;

/** What an attribution gave, out of native memory. */
export interface Outcome {
  scores: Float32Array;
  shape: number[];
  deltas: Float32Array | undefined;
  steps: Int32Array | undefined;
  stepScores: Record<string, Float32Array>;
  engine: string;
}

export async function run(model: NativeModel, plan: AttributionPlan): Promise<Outcome> {
  return outcomeOf(await native().attribute(model, plan).promise);
}

export function outcomeOf({ scores, deltas, steps, stepScores, stats }: NativeAttribution): Outcome {
  const copy = <T>(tensor: { data(): unknown } | undefined) => tensor?.data() as T;
  return {
    scores: Float32Array.from(scores.data() as Float32Array),
    shape: scores.shape,
    deltas: copy<Float32Array | undefined>(deltas),
    steps: copy<Int32Array | undefined>(steps),
    stepScores: Object.fromEntries(
      Object.entries(stepScores).map(([name, values]) => [name, copy<Float32Array>(values)]),
    ),
    engine: stats.engine,
  };
}

export interface Text {
  ids: Int32Array;
  promptLength: number;
}

export function base({ ids, promptLength }: Text, step: StepFunctionSpec = PROBABILITY): PlanBase {
  return { ids, promptLength, step, stepScores: [step], memoryBudget: 2 ** 30, engine: "auto" };
}

export function rulesPlan(
  text: Text,
  rules: GradientPlan["rules"],
  baseline: BaselinePlan = { kind: "zero" },
  step?: StepFunctionSpec,
): GradientPlan {
  return { ...base(text, step), kind: "gradient", rules, layer: 0, baseline, multiplyByInput: true, reduce: "none" };
}

/** Integrated gradients along the straight line. */
export function straightPlan(text: Text, steps: number, baseline: BaselinePlan = { kind: "zero" }) {
  return {
    ...base(text),
    kind: "path",
    path: "straight",
    rule: "gausslegendre",
    steps,
    layer: 0,
    baseline,
    multiplyByInput: true,
    reduce: "none",
  } as const;
}

export function occlusionPlan(text: Text, window = 1, baseline: BaselinePlan = { kind: "zero" }) {
  return { ...base(text), kind: "perturbation", perturbation: "occlusion", absolute: false, window, baseline } as const;
}

export function internalsPlan(text: Text, internals: InternalsPlan["internals"], mean = false): InternalsPlan {
  return {
    ...base(text),
    kind: "internals",
    internals,
    layers: new Int32Array(),
    heads: new Int32Array(),
    mean,
  };
}

/** Sizes for models that are quick to make, and not degenerate. */
export const SMALL: Sizes = {
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  width: 24,
  hidden: 40,
  vocabulary: 50,
  context: 128,
};

/** GPT-2 has as many key/value heads as heads. */
export function sizesFor(family: "llama" | "gpt2", sizes: Sizes): Sizes {
  return family === "gpt2" ? { ...sizes, kvHeads: sizes.heads } : sizes;
}

/** Of output t, the sum over positions and embedding of [sequence, outputs, width]. */
export function sumOf({ scores, shape }: Outcome, output: number): number {
  const [sequence = 0, outputs = 0, width = 1] = shape;
  let sum = 0;
  for (let s = 0; s < sequence; s++)
    for (let d = 0; d < width; d++) sum += scores[(s * outputs + output) * width + d] as number;
  return sum;
}
