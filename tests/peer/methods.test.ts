import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeFloats, distance } from "../../bench/numbers.js";
import { loadModel, type MethodName, type Model, methods, native } from "../../src/index.js";
import type { AttributionPlan } from "../../src/native.js";
import { resolveStep } from "../../src/steps/index.js";
import { writeSmallGpt2 } from "../goldens/small-gpt2.js";
import { run } from "../methods/plans.js";
import { REAL_MODEL } from "../models/real.js";
import { temporaryFolder } from "../tiny-model.js";

// Goldens of tests/goldens/methods.py, whose `about` says what Inseq really does for each method.

interface Stored {
  shape: number[];
  data: string;
}
/** By name: vnorm and sum over the embedding, scores, heads, layers, deltas. */
type Arrays = Record<string, Stored>;
interface Entry {
  model: string;
  method: string;
  step: string;
  options: Record<string, unknown>;
  stepOptions: { contrast?: string; contrast_force_inputs?: boolean };
  /** Of ReAGent, all that was drawn: of each output, scores at the beginning and steps. */
  outputs?: { initial: Stored; steps: { uniform: Stored; probe: number[][]; stop: number[][] }[] }[];
  /** Inseq as it ships; absent where it fails. */
  float32?: Arrays;
  /** In float64: Inseq, or a plain loop. */
  float64?: Arrays;
  reference?: string;
}
const goldens = JSON.parse(readFileSync(new URL("../goldens/methods.json", import.meta.url), "utf8")) as {
  about: { capability: string };
  models: Record<
    string,
    {
      ids: number[];
      promptLength: number;
      baselineIds: number[];
      special: number[];
      contrasts: Record<string, { ids: number[] }>;
    }
  >;
  random: Record<string, Record<string, Stored>>;
  entries: Entry[];
};

/** Share of the largest score. */
const TOLERANCE = 1e-4;
const SINGLE_PASS = 1e-5;
/** Where rounding is magnified, two programs may differ by so many times what one of them was seen to be off. */
const SPREAD = 20;
const singlePass = ["saliency", "input_x_gradient", "layer_gradient_x_activation", "attention"];
/** That softmax errs otherwise with other vector widths: Inseq's float32 scores are those of one kind of CPU. */
const sameCpu = native().info().cpuCapability === goldens.about.capability;

const folder = temporaryFolder();
const own = process.env.TOKENLENSE_CACHE;
const loaded = new Map<string, Model>();
beforeAll(async () => {
  loaded.set("gpt2", await loadModel(writeSmallGpt2(join(folder, "gpt2"))));
  delete process.env.TOKENLENSE_CACHE; // the default model is where it always is
  loaded.set("smollm2", await loadModel(REAL_MODEL));
  process.env.TOKENLENSE_CACHE = own;
});
afterAll(() => {
  for (const model of loaded.values()) model.dispose();
});

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

/**
 * Along a path a language model's outputs change abruptly, and where a node falls on such a place, rounding is magnified
 * a thousandfold: Inseq's float32 is then itself far from its float64. Of each output, by how much at most, over the
 * entries of that kind; [outputs].
 */
function roundingOf({ model, method }: Entry): number[] {
  const { ids, promptLength } = goldens.models[model] as (typeof goldens.models)[string];
  const largest: number[] = new Array(ids.length - promptLength).fill(0);
  if (!method.includes("integrated_gradients")) return largest;
  for (const { model: other, method: kind, float32, float64 } of goldens.entries) {
    if (other !== model || !kind.includes("integrated_gradients") || kind.startsWith("layer")) continue;
    for (const name of ["vnorm", "sum"]) {
      const [single, double] = [float32?.[name], float64?.[name]];
      if (!single || !double) continue;
      const [a, b] = [decodeFloats(single.data), decodeFloats(double.data)];
      const most = Math.max(...b.map(Math.abs));
      for (const [cell, score] of b.entries()) {
        const output = cell % largest.length;
        largest[output] = Math.max(largest[output] as number, Math.abs((a[cell] as number) - score) / most);
      }
    }
  }
  // What is well below the tolerance is ordinary rounding.
  return largest.map((value) => (value < TOLERANCE ? 0 : value));
}

/** libtorch's float32 softmax over a vocabulary errs by 1e-5 (bench/peer/NOTES.md); in float64 it does not. */
function exact(step: string) {
  const { name, source } = resolveStep(step).spec;
  return { name, source: source.replaceAll(/softmax\((\w*logits),/g, "softmax($1.double(),") };
}

/** Inseq aligns a contrast from the end. */
function contrastOf({ model, step, stepOptions }: Entry): object {
  if (stepOptions.contrast === undefined) return {};
  const { ids, promptLength, contrasts } = goldens.models[model] as (typeof goldens.models)[string];
  const other = contrasts[stepOptions.contrast]?.ids ?? [];
  const outputs = ids.length - promptLength;
  return {
    contrast: {
      ids: Int32Array.from(other),
      positions: Int32Array.from({ length: outputs }, (_, output) => other.length - outputs + output),
      ownPrefix: stepOptions.contrast_force_inputs ?? resolveStep(step).ownPrefix,
    },
  };
}

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

const reagents = goldens.entries.filter(({ method }) => method === "reagent");
it.each(reagents.map((entry): [string, Entry] => [JSON.stringify(entry.options), entry]))(
  "reagent %s is Inseq's, with the same draws",
  async (_, entry) => {
    const { ids: list, promptLength } = goldens.models[entry.model] as (typeof goldens.models)[string];
    const { keep_top_n, stopping_condition_top_k, max_probe_steps, num_probes, replacing_ratio } =
      entry.options as Record<string, number>;
    const expected = entry.float32?.scores as Stored;
    const outputs = list.length - promptLength;
    const stored = decodeFloats(expected.data);
    for (const [output, { initial, steps }] of (entry.outputs ?? []).entries()) {
      const length = promptLength + output;
      const column = Array.from({ length }, (_, position) => stored[position * outputs + output] as number);
      // Where no probe stops Inseq divides by zero.
      if (column.some(Number.isNaN)) continue;
      const full = (values: number[][][]) => Int32Array.from(values.flat(2));
      const padded = <T>(list: T[], fill: T) =>
        Array.from({ length: max_probe_steps as number }, (_, i) => list[i] ?? fill);
      const none = Array.from({ length: num_probes as number }, () => new Array<number>(length).fill(0));
      const uniform = steps.map(({ uniform }) => decodeFloats(uniform.data));
      const ids = Int32Array.from(list.slice(0, length + 1));
      const { scores } = await run((loaded.get(entry.model) as Model).native, {
        ids,
        promptLength: length,
        step: exact("probability"),
        stepScores: [],
        memoryBudget: 2 ** 30,
        engine: "auto",
        kind: "perturbation",
        perturbation: "reagent",
        seed: 0,
        probes: num_probes as number,
        mostSteps: max_probe_steps as number,
        stopTopK: stopping_condition_top_k as number,
        keepTopN: keep_top_n as number,
        replaceRatio: replacing_ratio as number,
        candidates: new Int32Array(),
        draws: {
          importance: Float64Array.from(decodeFloats(initial.data)),
          replaced: Uint8Array.from(
            padded(uniform, new Float32Array(length * (num_probes as number)).fill(1)).flatMap((values) =>
              Array.from(values, (value) => (value < (replacing_ratio as number) ? 1 : 0)),
            ),
          ),
          tokens: full(
            padded(
              steps.map(({ probe }) => probe),
              none,
            ),
          ),
          tests: full(
            padded(
              steps.map(({ stop }) => stop),
              none,
            ),
          ),
        },
      });
      expect(distance(scores.subarray(0, length), Float32Array.from(column)), `output ${output}`).toBeLessThan(
        TOLERANCE,
      );
    }
  },
);
