import { describe, expect, it } from "vitest";
import { decodeFloats, distance } from "../../bench/numbers.js";
import { type MethodName, type Model, methods } from "../../src/index.js";
import type { AttributionPlan } from "../../src/native.js";
import { resolveStep } from "../../src/steps/index.js";
import { run } from "../methods/plans.js";
import { exact } from "./exact.js";
import {
  type Arrays,
  contrastOf,
  type Entry,
  goldens,
  loaded,
  roundingOf,
  SINGLE_PASS,
  SPREAD,
  type Stored,
  sameCpu,
  singlePass,
  TOLERANCE,
} from "./goldens.js";

/** Our method and its options for what Inseq was asked; undefined where the two mean different things. */
function ours(entry: Entry): { method: MethodName; options: Record<string, unknown> } | undefined {
  const { method, options } = entry;
  const target = options.target_layer as string | undefined;
  // The output of the k-th layer is the input of the next.
  const layer = target === undefined ? 0 : Number(/\d+$/.exec(target)?.[0]) + 1;
  const path = { steps: options.n_steps, baseline: "unk", ...(options.method ? { rule: options.method } : {}) };
  const known: Record<string, Record<string, unknown>> = {
    saliency: {},
    input_x_gradient: {},
    integrated_gradients: path,
    sequential_integrated_gradients: path,
    discretized_integrated_gradients: { steps: options.n_steps, strategy: options.method, baseline: "unk" },
    gradient_shap: { samples: options.n_samples, noise: options.stdevs, baseline: "unk" },
    layer_gradient_x_activation: { layer },
    layer_integrated_gradients: { layer, steps: options.n_steps, baseline: "unk" },
    attention: { mean: false },
    occlusion: { baseline: "unk" },
    lime: { samples: options.n_samples },
    value_zeroing: { mean: false },
    // Beyond Inseq: plain PyTorch in float64 (tests/goldens/rules.py, plain.py).
    deeplift_rules: { baseline: "unk" },
    attnlrp: {},
    attention_rollout: {},
    gradient_x_attention: { mean: false },
  };
  const own = known[method];
  return own && { method: (method === "deeplift_rules" ? "deeplift" : method) as MethodName, options: own };
}

/** What was drawn at random for a model's entries. */
function drawn(entry: Entry, model: Model, ids: Int32Array): Partial<Record<string, unknown>> {
  const { shape, data } = goldens.random[entry.model]?.[
    `${entry.method}.${entry.method === "lime" ? "keep" : "coefficients"}`
  ] ?? {
    shape: [],
    data: "",
  };
  const values = decodeFloats(data);
  if (entry.method === "gradient_shap") return { coefficients: Float64Array.from(values) };
  if (entry.method === "discretized_integrated_gradients")
    return { specialTokens: Int32Array.from(goldens.models[entry.model]?.special ?? []) };
  if (entry.method !== "lime") return {};
  const [samples = 0, length = 0] = shape;
  const rows = ids.length - 1;
  void model;
  return {
    masks: Uint8Array.from(
      { length: samples * rows },
      (_, i) => values[Math.floor(i / rows) * length + (i % rows)] as number,
    ),
  };
}

const comparable = goldens.entries.filter((entry) => {
  const skipped =
    // Noise is drawn by each program's own generator; tests/methods compares it between our engines.
    (entry.method === "gradient_shap" && entry.options.stdevs !== 0) ||
    // A number in every dimension is no baseline of ours.
    (entry.method === "lime" && entry.options.mask_token !== undefined) ||
    // There ends of text are replaced too.
    (entry.method === "deeplift_rules" && entry.options.baseline !== undefined);
  return ours(entry) !== undefined && !skipped;
});
const named = comparable.map((entry): [string, Entry] => [
  `${entry.model}: ${entry.method} of ${entry.step} ${JSON.stringify({ ...entry.options, ...entry.stepOptions })}`,
  entry,
]);

describe.each(named)("%s", (_, entry) => {
  const { ids: list, promptLength } = goldens.models[entry.model] as (typeof goldens.models)[string];
  const ids = Int32Array.from(list);
  const { method, options } = ours(entry) as NonNullable<ReturnType<typeof ours>>;

  async function attribution(changes: object, exactly: boolean) {
    const model = loaded.get(entry.model) as Model;
    const parsed = methods[method].options.parse(options);
    return run(model.native, {
      ...methods[method].plan(parsed, { model, ids, promptLength }),
      ...drawn(entry, model, ids),
      ...contrastOf(entry),
      ...changes,
      ids,
      promptLength,
      step: exactly ? exact(entry.step) : resolveStep(entry.step).spec,
      stepScores: [],
      memoryBudget: 2 ** 31,
      engine: "auto",
    } as AttributionPlan);
  }

  const tolerance = singlePass.includes(method) ? SINGLE_PASS : TOLERANCE;
  // captum's trapezoid has the weights of n intervals on n − 1 of them.
  const scale = options.rule === "riemann_trapezoid" ? (Number(options.steps) - 1) / Number(options.steps) : 1;

  /** Ours, as the golden of that name has it. */
  async function scoresOf(name: string, { shape }: Stored, exactly: boolean): Promise<Float32Array> {
    const layer = /^layer(\d+)$/.exec(name)?.[1];
    const changes: Record<string, object> = { vnorm: { reduce: "l2" }, sum: { reduce: "sum" }, mean: { mean: true } };
    const change = layer === undefined ? (changes[name] ?? {}) : { layers: Int32Array.of(Number(layer)) };
    const result = await attribution(method === "lime" ? { sum: name === "sum" } : change, exactly);
    expect(result.shape.filter((size, i) => i < 2 || size > 1)).toEqual(shape);
    return result.scores.map((score) => score * scale);
  }

  const reductions = ["vnorm", "sum", "scores", "heads", "mean", "layers"];
  const namesOf = (arrays: Arrays | undefined) =>
    Object.entries(arrays ?? {}).filter(
      // captum's saliency is the gradient's absolute value: its sum is no signed one.
      ([name]) => (reductions.includes(name) || name.startsWith("layer")) && !(method === "saliency" && name === "sum"),
    );

  /** Output by output, differences as shares of the largest score of all against what is allowed. */
  function expectNear(actual: Float32Array, expected: Float32Array, own: number[]): void {
    const largest = Math.max(...expected.map(Math.abs));
    const inner = expected.length / (ids.length * own.length);
    expect(actual).toHaveLength(expected.length);
    for (const [cell, score] of expected.entries()) {
      const output = Math.floor(cell / inner) % own.length;
      const allowed = Math.max(tolerance, SPREAD * (own[output] as number));
      expect(Math.abs((actual[cell] as number) - score) / largest, `output ${output}`).toBeLessThan(allowed);
    }
  }

  it.each(namesOf(entry.float64))(
    `%s, with the step function's softmax in float64, is that of ${entry.reference}, on any CPU`,
    async (name, stored) => {
      expectNear(await scoresOf(name, stored, true), decodeFloats(stored.data), roundingOf(entry));
    },
  );

  // Inseq's own layer_integrated_gradients is zero everywhere.
  const working = method === "layer_integrated_gradients" ? undefined : entry.float32;
  it.runIf(sameCpu).each(namesOf(working))(`%s is Inseq's in float32`, async (name, stored) => {
    const own = roundingOf(entry);
    const single = decodeFloats(stored.data);
    const double = entry.float64?.[name];
    const away = double ? distance(single, decodeFloats(double.data)) : 0;
    expectNear(
      await scoresOf(name, stored, false),
      single,
      own.map((value) => Math.max(value, away / SPREAD + tolerance / SPREAD)),
    );
  });

  const deltas = entry.float32?.deltas;
  // Of captum's trapezoid they are of scores that are too small.
  if (deltas && method === "integrated_gradients" && scale === 1)
    it.runIf(sameCpu)("convergence deltas are Inseq's", async () => {
      const { deltas: own } = await attribution({}, false);
      const expected = decodeFloats(deltas.data);
      const largest = Math.max(...expected.map(Math.abs));
      for (const [output, delta] of expected.entries())
        expect(Math.abs((own?.[output] as number) - delta)).toBeLessThan(
          // A delta is a sum over all positions, and so is its rounding.
          (1e-3 + SPREAD * ids.length * (roundingOf(entry)[output] as number)) * largest + 1e-6,
        );
    });
});

it("every method that Inseq has and that means the same is compared", () => {
  const compared = new Set(comparable.map(({ method }) => method));
  for (const method of Object.keys(methods)) {
    // TokenLense's own is compared in agreement.test.ts, DeepLIFT below by its rules; dummy has no scores.
    const elsewhere = ["tokenlense", "deeplift", "layer_deeplift", "reagent", "dummy"];
    if (!elsewhere.includes(method)) expect(compared, method).toContain(method);
  }
});
