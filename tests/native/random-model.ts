import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { native } from "../../src/install/binding.js";
import { uniform } from "../../src/methods/draw.js";
import type { GradientPlan, NativeModel, StepFunctionSpec, WeightSpec } from "../../src/native.js";

/** Sizes of a random model. */
export interface Sizes {
  layers: number;
  heads: number;
  kvHeads: number;
  /** Even where the family has rotary embeddings. */
  headDim: number;
  width: number;
  /** Size of the MLP. */
  hidden: number;
  vocabulary: number;
  context: number;
  /** Queries are zero: every position attends evenly to all before it. */
  even?: boolean;
  /** What families do to attention's queries, keys and scores. Default none of it, rotary positions over whole heads. */
  attention?: {
    /** Dimensions of a head that turn with the position; even. */
    rotary?: number;
    window?: number;
    scale?: number;
    softcap?: number;
    /** Scores have a random bias by position. */
    bias?: boolean;
    qkvBias?: boolean;
    /** Norms of each head's queries and keys, or of all together. */
    norms?: "heads" | "all";
    activation?: string;
  };
  /** Of mixtral.py: `hidden` is the width of each; `shared` that of the one that is always used, 0 for none; `without`: layers that have an MLP instead. */
  experts?: { count: number; used: number; normalised: boolean; shared: number; without?: number[] };
}

const text = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

const family = (...files: string[]) =>
  [...files, "layered.py"].map((file) => text(`../../native/families/${file}`)).join("\n");

/** A family's own TorchScript, and the same model in plain ATen with the minimal contract. */
export const FAMILY = family("rms_norm.py", "llama.py");
export const TWIN = text("twin.py");
export const GPT2 = family("layer_norm.py", "plain_mlp.py", "gpt2.py");
export const MIXTURE = family("rms_norm.py", "mixtral.py");
export const GPT2_TWIN = text("twin_gpt2.py");

export function randomIds(count: number, vocabulary: number, seed: number): Int32Array {
  const next = uniform(seed);
  return Int32Array.from({ length: count }, () => Math.floor(next() * vocabulary));
}

/**
 * Builds archives with the same random weights from each source and loads them. Weights are what the sources read, of whichever family.
 * Dispose of the result.
 */
export async function randomModels(sizes: Sizes, seed: number, ...sources: string[]): Promise<NativeModel[]> {
  const reads = (name: string) => sources.some((source) => new RegExp(`self\\.${name}\\b`).test(source));
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, context, attention = {} } = sizes;
  const { experts = { count: 0, used: 0, normalised: false, shared: 0 } } = sizes;
  const only = experts.shared > 0 ? 1 : 0;
  const every = Array.from({ length: layers }, (_, i) => i);
  const plain = sizes.experts ? every.filter((i) => sizes.experts?.without?.includes(i)) : every;
  const mixed = every.filter((i) => !plain.includes(i));
  const folder = mkdtempSync(join(tmpdir(), "tokenlense-random-"));
  try {
    const file = join(folder, "weights.bin");
    const [queries, keys] = [heads * headDim, kvHeads * headDim];
    const gpt2 = reads("positions");
    const normed =
      attention.norms === "heads"
        ? new Array<number>(heads + kvHeads).fill(headDim)
        : attention.norms === "all"
          ? [queries, keys]
          : [];
    // name, shape, spread: 0 stands for a norm's weight, around one.
    const table: [string, number[], number][] = [
      ["embedding", [vocabulary, width], 1],
      ["positions", [context, width], 0.5],
      ["attention_norm", [layers, width], 0],
      ["attention_norm_bias", [layers, width], 0.3],
      ["qkv", [layers, queries + 2 * keys, width], 1.5 / Math.sqrt(width)],
      ["qkv_bias", [layers, gpt2 || attention.qkvBias ? queries + 2 * keys : 0], 0.3],
      ["qk_norm", [layers, normed.length > 0 ? queries + keys : 0], 0],
      ["attention_out", [layers, width, queries], 1 / Math.sqrt(width)],
      ["attention_out_bias", [layers, gpt2 ? width : 0], 0.3],
      ["mlp_norm", [layers, width], 0],
      ["mlp_norm_bias", [layers, width], 0.3],
      ["gate_up", [plain.length, 2 * hidden, width], 1.5 / Math.sqrt(width)],
      ["up", [layers, hidden, width], 1.5 / Math.sqrt(width)],
      ["up_bias", [layers, hidden], 0.3],
      ["down", [plain.length, width, hidden], 1 / Math.sqrt(hidden)],
      ["down_bias", [layers, width], 0.3],
      ["router", [mixed.length, experts.count, width], 1.5 / Math.sqrt(width)],
      ["experts_gate_up", [mixed.length, experts.count, 2 * hidden, width], 1.5 / Math.sqrt(width)],
      ["experts_down", [mixed.length, experts.count, width, hidden], 1 / Math.sqrt(hidden)],
      ["shared_router", [mixed.length, only, width], 1.5 / Math.sqrt(width)],
      ["shared_gate_up", [mixed.length, only, 2 * experts.shared, width], 1.5 / Math.sqrt(width)],
      ["shared_down", [mixed.length, only, width, experts.shared], 1 / Math.sqrt(experts.shared || 1)],
      ["final_norm", [width], 0],
      ["final_norm_bias", [width], 0.3],
      ["head", [vocabulary, width], 1 / Math.sqrt(width)],
    ];
    const next = uniform(seed);
    const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const chunks: Buffer[] = [];
    const weights: WeightSpec[] = [];
    let offset = 0;
    for (const [name, shape, spread] of table.filter(([name]) => reads(name))) {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = Float32Array.from({ length: count }, () =>
        spread === 0 ? 1 + 0.2 * normal() : spread * normal(),
      );
      if (sizes.even && name.startsWith("qkv"))
        for (let i = 0; i < count; i++) {
          const column = name === "qkv" ? Math.floor(i / width) : i;
          if (column % (queries + 2 * keys) < queries) values[i] = 0;
        }
      const columns = shape.at(-1) as number;
      const part = { file, offset, encoding: "F32", rows: count / columns, columns } as const;
      weights.push({ name, shape, parts: count > 0 ? [part] : [] });
      chunks.push(Buffer.from(values.buffer));
      offset += values.byteLength;
    }
    writeFileSync(file, Buffer.concat(chunks));
    const biases = Float32Array.from({ length: attention.bias ? heads * context : 0 }, () => 2 * normal());
    const models: NativeModel[] = [];
    for (const [i, source] of sources.entries()) {
      const output = join(folder, `${i}.pt`);
      const rotary = { dimensions: attention.rotary ?? headDim, theta: 10_000, factor: 1 };
      await native().buildArchive({
        output,
        source,
        integers: {
          ...{ layers, heads, kv_heads: kvHeads, head_dim: headDim },
          ...{ width, hidden_width: hidden, vocabulary, context, parallel: 0, long_after: 0, first_layer: 0 },
          ...(sizes.experts && {
            experts_used: experts.used,
            shared_hidden: experts.shared,
            normed_router: experts.normalised ? 1 : 0,
          }),
        },
        floats: {
          norm_eps: 1e-5,
          attention_scale: attention.scale ?? 1 / Math.sqrt(headDim),
          attention_softcap: attention.softcap ?? 0,
        },
        // GPT-2's by the seed, so that both kinds are tried.
        texts: { activation: attention.activation ?? (gpt2 ? (["gelu", "gelu_tanh"][seed % 2] as string) : "silu") },
        lists: {
          windows: new Int32Array(layers).fill(attention.window ?? 0),
          rotary_of: new Int32Array(layers),
          normed_parts: Int32Array.from(normed),
          ...(sizes.experts && {
            has_experts: Int32Array.from(every, (i) => (mixed.includes(i) ? 1 : 0)),
            places: Int32Array.from(every, (i) => Math.max(mixed.indexOf(i), plain.indexOf(i))),
          }),
        },
        rotary: gpt2 || rotary.dimensions === 0 ? [] : [rotary],
        tables: [{ name: "position_bias", shape: attention.bias ? [heads, context] : [0], values: biases }],
        weights,
        files: {},
      }).promise;
      models.push(await native().loadModel(output, "cpu").promise);
    }
    return models;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const PROBABILITY: StepFunctionSpec = {
  name: "probability",
  source: `def step(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.gather(torch.softmax(logits, -1), -1, targets.unsqueeze(-1)).squeeze(-1)
`,
};

export function gradientPlan(
  ids: Int32Array,
  promptLength: number,
  options: Partial<Omit<GradientPlan, "kind" | "rules">> = {},
): GradientPlan {
  return {
    kind: "gradient",
    rules: "gradient",
    layer: 0,
    ids,
    promptLength,
    step: PROBABILITY,
    stepScores: [PROBABILITY],
    multiplyByInput: false,
    reduce: "none",
    memoryBudget: 2 ** 30,
    engine: "auto",
    ...options,
  };
}

/** Largest difference as a share of the largest expected value. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (Number.isNaN(a) || Number.isNaN(e)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(a - e));
    largest = Math.max(largest, Math.abs(e));
  }
  return difference === 0 ? 0 : difference / largest;
}
