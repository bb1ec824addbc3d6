import type { Dtype } from "./models/contract.js";

/**
 * What the C++ addon offers, as types. The one place where TypeScript and C++ agree on shapes:
 * native/addon.cc implements exactly this table. Nothing here runs; src/install/binding.ts loads it.
 */

export type DType = "float32" | "float16" | "bfloat16" | "int64" | "int32";
export type TensorData = Float32Array | BigInt64Array | Int32Array | Uint16Array;

/** A libtorch tensor held from JavaScript. Memory goes back at `dispose()`, or when the handle is collected. */
export interface NativeTensor extends Disposable {
  readonly dtype: DType;
  readonly shape: number[];
  /** "cpu", "cuda:0", … */
  readonly device: string;
  /** A typed array over the tensor's memory where the runtime allows that, else a copy. Row-major. */
  data(): TensorData;
  dispose(): void;
}

/** A loaded archive. */
export interface NativeModel extends Disposable {
  /** Text of `tokenlense/contract.json`. */
  readonly contract: string;
  readonly device: string;
  /** Bytes of weights. */
  readonly bytes: number;
  /** An extra file of the archive, by name (`tokenlense/…`); undefined where it has none of that name. */
  file(name: string): Uint8Array | undefined;
  dispose(): void;
}

/** Work on another thread. `cancel` makes `promise` reject with ERR_TOKENLENSE_CANCELLED within one block. */
export interface NativeTask<T> {
  readonly promise: Promise<T>;
  cancel(): void;
}

/** Called on the JavaScript thread; `done` of `total` blocks, in no particular unit. */
export type NativeProgress = (done: number, total: number) => void;

/** A run of bytes in a file that fills the next `rows × columns` values of a buffer, row-major. */
export interface WeightPart {
  file: string;
  /** Byte offset from the start of the file. */
  offset: number;
  /** GGUF name of the encoding. BF16 serves safetensors as well. */
  encoding:
    | ("F32" | "F16" | "BF16")
    | ("Q8_0" | "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "IQ4_NL")
    | ("Q2_K" | "Q3_K" | "Q4_K" | "Q5_K" | "Q6_K");
  rows: number;
  columns: number;
  /** Where set, rows are regrouped from GGUF's interleaved rotary order to halves, for this many heads. */
  unpermuteHeads?: number;
  /** The file holds the matrix as columns × rows. Default false. */
  transposed?: boolean;
  /** Added to each value. Default 0. */
  plus?: number;
}

/** A buffer of the module; its parts follow one another in row-major memory order and fill it exactly. */
export interface WeightSpec {
  name: string;
  shape: number[];
  parts: WeightPart[];
  /** What it is kept in. Default float32. */
  dtype?: "float32" | "bfloat16" | "float16";
}

/**
 * A rotary embedding (Su et al. 2021) of the first `dimensions` of a head: pair i turns by theta^(−2i / dimensions) / divisors[i]
 * at each position, and cosines and sines are multiplied by `factor`.
 */
export interface RotarySpec {
  /** Even. */
  dimensions: number;
  theta: number;
  /** One for each pair. Default: all one. */
  divisors?: Float64Array;
  factor: number;
}

export interface BuildSpec {
  /** Where to write the archive. The caller renames it into place. */
  output: string;
  /** TorchScript source: the methods of the family. */
  source: string;
  /** Attributes of the module, by type. */
  integers: Record<string, number>;
  floats: Record<string, number>;
  texts: Record<string, string>;
  lists: Record<string, Int32Array>;
  /** Become the buffers `rotary_cos` and `rotary_sin` [specs, integers.context, dimensions / 2]; empty where there is none. */
  rotary: RotarySpec[];
  /** Buffers whose values are not in a file, row-major. */
  tables: { name: string; shape: number[]; values: Float32Array }[];
  weights: WeightSpec[];
  /** Extra files of the archive, by name. */
  files: Record<string, string | Uint8Array>;
}

export interface StepFunctionSpec {
  name: string;
  /**
   * TorchScript: `def step(logits: Tensor, targets: Tensor) -> Tensor`, [n, vocabulary] and [n] int64 to [n]. Row i may
   * depend on row i only. It may also ask for `contrast_logits`, `contrast_targets` and `noisy` [n, passes], by name.
   */
  source: string;
}

/** What every attribution is told. */
export interface PlanBase {
  /** Prompt and target together. */
  ids: Int32Array;
  /** Outputs are the positions promptLength … ids.length − 1. */
  promptLength: number;
  /** The attributed step function. */
  step: StepFunctionSpec;
  /** Evaluated at every output, no gradient. */
  stepScores: StepFunctionSpec[];
  /** Another text, for step functions that ask for it. */
  contrast?: {
    ids: Int32Array;
    /** Where in it each output's counterpart stands. */
    positions: Int32Array;
    /** The attributed function reads the counterpart after the contrast's own prefix; step scores always do. */
    ownPrefix: boolean;
  };
  /** Forward passes with dropout, for step functions that ask for them. */
  dropout?: { rate: number; passes: number; seed: number };
  /** Give the logits before every output. */
  logits?: boolean;
  /** Bytes of working memory, weights not counted; at least 1. */
  memoryBudget: number;
  /** "ragged" is the fast path; "plain" a loop of vector-Jacobian products by libtorch's autograd, for tests. */
  engine: "auto" | "ragged" | "batched" | "plain";
}

/** What stands for no information at each position: zeros, the vocabulary's mean embedding, or these tokens, one per position. */
export type BaselinePlan = { kind: "zero" } | { kind: "mean" } | { kind: "ids"; ids: Int32Array };

/** How the embedding dimension goes: L2 norm, signed sum, or kept. */
export type Reduction = "l2" | "sum" | "none";

export interface GradientPlan extends PlanBase {
  kind: "gradient";
  /** By which the backward pass goes (native/autograd/rules.h). */
  rules: "gradient" | "deeplift" | "attnlrp";
  /** With respect to the input of this layer; 0: the embeddings. */
  layer: number;
  /** With rules "deeplift". */
  baseline?: BaselinePlan;
  /** Multiply each gradient by its input, or by its difference from the baseline. */
  multiplyByInput: boolean;
  reduce: Reduction;
}

interface PathBase extends PlanBase {
  kind: "path";
  layer: number;
  baseline: BaselinePlan;
  multiplyByInput: boolean;
  reduce: Reduction;
}

export type QuadratureRule =
  | "gausslegendre"
  | "riemann_left"
  | "riemann_right"
  | "riemann_middle"
  | "riemann_trapezoid";

export type PathPlan = PathBase &
  (
    | { path: "straight"; steps: number; rule: QuadratureRule; tolerance?: number }
    | { path: "sequential"; steps: number; rule: QuadratureRule }
    | {
        path: "discretized";
        steps: number;
        strategy: "greedy" | "maxcount";
        neighbours: number;
        specialTokens: Int32Array;
      }
    | { path: "random"; coefficients: Float64Array; noise: number; seed: number }
  );

export type PerturbationPlan = PlanBase & { kind: "perturbation" } & (
    | { perturbation: "none" }
    | { perturbation: "occlusion"; baseline: BaselinePlan; absolute: boolean; window: number }
    | { perturbation: "lime"; baseline: BaselinePlan; masks: Uint8Array; ridge: number; sum: boolean }
    | {
        /** The attributed function where tokens are replaced: the outcome's scores are these values, [values]. */
        perturbation: "masked";
        baseline: BaselinePlan;
        /** [texts, sequence − 1]: 1 where the token stays. */
        masks: Uint8Array;
        /** Of each value its text and its output. */
        texts: Int32Array;
        outputs: Int32Array;
      }
    | {
        perturbation: "reagent";
        seed: number;
        probes: number;
        mostSteps: number;
        stopTopK: number;
        keepTopN: number;
        replaceRatio: number;
        /** Tokens to replace by; empty: any. */
        candidates: Int32Array;
        /** What is left to chance, drawn elsewhere (native/kernels/perturbation.h has the shapes): for comparison with other programs. */
        draws?: { importance: Float64Array; replaced: Uint8Array; tokens: Int32Array; tests: Int32Array };
      }
  );

export interface InternalsPlan extends PlanBase {
  kind: "internals";
  internals: "attention" | "rollout" | "attention_gradient" | "value_zeroing";
  /** Empty: all. */
  layers: Int32Array;
  heads: Int32Array;
  /** Over layers and heads; else they are kept. */
  mean: boolean;
}

export type AttributionPlan = GradientPlan | PathPlan | PerturbationPlan | InternalsPlan;

export interface AttributionStats {
  /** "forward": no gradient was needed. */
  engine: "ragged" | "batched" | "plain" | "forward";
  /** Floating-point operations of all matrix products, multiply and add counted apart. */
  flops: number;
  /** Seconds of native work. */
  seconds: number;
  /** Bytes of working memory that the plan reckoned with. */
  plannedBytes: number;
  /** Outputs per block. */
  block: number;
}

export interface NativeAttribution {
  /** [sequence, outputs], or more dimensions where the plan keeps them; sequence = ids.length. Zero where a position does not come before the output. */
  scores: NativeTensor;
  stepScores: Record<string, NativeTensor>;
  /** [outputs, vocabulary], where the plan asks for them. */
  logits?: NativeTensor;
  /** [outputs]: by how much the scores' sum misses what the method says that it is. */
  deltas?: NativeTensor;
  /** [outputs] int32: nodes of a path. */
  steps?: NativeTensor;
  stats: AttributionStats;
}

/** Which weights of a copy have their values in random order. */
export interface RandomisationPlan {
  seed: number;
  /** How many of the last layers, beside final norm and head. */
  layers: number;
  /** And what comes before the layers. The minimal contract has nothing else. */
  rest: boolean;
}

export interface GenerationPlan {
  ids: Int32Array;
  maxNewTokens: number;
  /** 0 is greedy. */
  temperature: number;
  /** 0: no limit. */
  topK: number;
  /** 1: no limit. */
  topP: number;
  seed: number;
  /** Generation ends before any of these; they are not returned. */
  stopTokens: Int32Array;
}

export interface NativeInfo {
  libtorch: string;
  addon: string;
  compiler: string;
  buildFlags: string;
  /** libtorch's own word: "AVX512", "AVX2", "DEFAULT". */
  cpuCapability: string;
  threads: number;
  devices: string[];
  externalBuffers: boolean;
}

/** A product of float32 rows [rows, depth] and a weight [depth, columns], or [columns, depth] where `transposed`. */
export interface GemmShape {
  rows: number;
  depth: number;
  columns: number;
  transposed: boolean;
  /** The weight's. Default "float32". */
  dtype?: Dtype;
  /** As where many gradients are summed, on a path: with AMX in no case by the finer digits. Default false. */
  coarse?: boolean;
}

export interface GemmReport {
  /** The path that this process takes at such shapes. */
  chosen: string;
  /** GFLOP/s of each path tried. */
  paths: Record<string, number>;
  /** Of each: largest difference from float64, as a share of the largest value. */
  errors: Record<string, number>;
}

export interface Native {
  Tensor: new (data: TensorData, shape: number[]) => NativeTensor;
  info(): NativeInfo;
  /** Measures the matrix product paths at each of the shapes, for about so many seconds each. */
  measureGemm(request: { shapes: GemmShape[]; seconds: number }, onProgress?: NativeProgress): NativeTask<GemmReport[]>;
  buildArchive(spec: BuildSpec, onProgress?: NativeProgress): NativeTask<void>;
  loadModel(path: string, device: string, onProgress?: NativeProgress): NativeTask<NativeModel>;
  /** A copy of the model, with memory of its own. */
  randomise(model: NativeModel, plan: RandomisationPlan, onProgress?: NativeProgress): NativeTask<NativeModel>;
  attribute(model: NativeModel, plan: AttributionPlan, onProgress?: NativeProgress): NativeTask<NativeAttribution>;
  /**
   * Several texts in one pass, with the same rules, layer and engine: a layer's weights are read once for all. Of `seconds`
   * and `flops` each has its share, by the rows of its products; where one text fails, so do all.
   */
  attributeTogether(
    model: NativeModel,
    plans: readonly GradientPlan[],
    onProgress?: NativeProgress,
  ): NativeTask<NativeAttribution[]>;
  /** Of each text, all at once, the new tokens only; where one fails, so do all. */
  generate(model: NativeModel, plans: readonly GenerationPlan[], onProgress?: NativeProgress): NativeTask<Int32Array[]>;
}
