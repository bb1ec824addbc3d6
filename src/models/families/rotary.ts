import { z } from "zod";
import type { RotarySpec } from "../../native.js";
import { type Checkpoint, inconsistent, readFloats, refused, unsupported } from "../checkpoint.js";
import type { Blueprint, Sizes } from "./family.js";
import { count, type GgufRotary, real } from "./settings.js";

/** A rotary table. */
export interface Rotary {
  spec: RotarySpec;
  /** The table of texts of more tokens than `after`. */
  long?: { spec: RotarySpec; after: number };
}

/** For families whose layers all have the same positions. */
export function rotaryBlueprint({ spec, long }: Rotary): Pick<Blueprint, "rotary" | "longAfter"> {
  return long ? { rotary: [spec, long.spec], longAfter: long.after } : { rotary: [spec] };
}

/** One of transformers' `rope_parameters`, or of what came before: `rope_scaling`. */
export const ropeParameters = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: real.optional(),
  partial_rotary_factor: real.optional(),
  factor: real.nullish(),
  attention_factor: real.nullish(),
  original_max_position_embeddings: count.nullish(),
  low_freq_factor: real.optional(),
  high_freq_factor: real.optional(),
  beta_fast: real.nullish(),
  beta_slow: real.nullish(),
  truncate: z.boolean().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  short_factor: z.array(real).optional(),
  long_factor: z.array(real).optional(),
});
export type RopeParameters = z.infer<typeof ropeParameters>;

/** The settings of a config.json that tell of rotary positions. */
export const folderRotary = z.object({
  rope_theta: real.nullish(),
  rope_scaling: ropeParameters.nullish(),
  rope_parameters: ropeParameters.nullish(),
  partial_rotary_factor: real.nullish(),
  original_max_position_embeddings: count.nullish(),
});

/** What families differ in. */
export interface RotaryTraits {
  /** Default 10000. */
  theta?: number;
  /** Of each head's dimensions, those that turn, unless the settings say another; without it all do, and no setting may say another. */
  share?: number;
  /** LongRoPE is the one scaling, and goes by older names too (Phi-3). */
  longOnly?: boolean;
}

/**
 * The table that a config.json asks for.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for a scaling that transformers names and this does not compute.
 */
export function rotaryOfFolder(
  path: string,
  read: z.infer<typeof folderRotary>,
  { headDim, context }: Pick<Sizes, "headDim" | "context">,
  traits: RotaryTraits = {},
): Rotary {
  // As transformers has it, the older of the two first.
  const scaling = read.rope_scaling && Object.keys(read.rope_scaling).length > 0 ? read.rope_scaling : undefined;
  const rope: RopeParameters = scaling ?? read.rope_parameters ?? {};
  const share = rope.partial_rotary_factor ?? read.partial_rotary_factor ?? traits.share ?? 1;
  if (share !== 1 && traits.share === undefined) throw refused(path, "partial_rotary_factor", share);
  const told = rope.rope_type ?? rope.type ?? "default";
  const renamed = traits.longOnly && (told === "su" || told === "yarn") ? "longrope" : told;
  if (!SCALINGS.includes(renamed) || (traits.longOnly && renamed !== "default" && renamed !== "longrope"))
    throw refused(path, scaling ? "rope_scaling" : "rope_parameters", told);
  const original = read.original_max_position_embeddings ?? rope.original_max_position_embeddings ?? undefined;
  return rotaryOf(path, {
    ...rope,
    rope_type: renamed,
    dimensions: Math.trunc(headDim * share),
    theta: rope.rope_theta ?? read.rope_theta ?? traits.theta ?? 10_000,
    original: original ?? context,
    context,
  });
}

const SCALINGS = ["default", "linear", "dynamic", "llama3", "yarn", "longrope"];

/** The table that a GGUF file asks for, `theta` being its default. */
export function rotaryOfGguf(checkpoint: Checkpoint, read: GgufRotary, { headDim, context }: Sizes): Rotary {
  const { path, tensors } = checkpoint;
  const factor = read["rope.scaling.factor"] || read["rope.scale_linear"] || 1;
  const type = read["rope.scaling.type"] ?? (factor === 1 ? "none" : "linear");
  const [short, long] = ["short", "long"].map((kind) => tensors.get(`rope_factors_${kind}.weight`));
  const original = read["rope.scaling.original_context_length"];
  const asked: Asked = {
    rope_type: short ? "longrope" : type === "none" ? "default" : type,
    dimensions: read["rope.dimension_count"] ?? headDim,
    theta: read["rope.freq_base"],
    // Llama 3's and Phi-3's converted files have tables in place of it.
    ...(short && factor === 1 ? {} : { factor }),
    attention_factor: read["rope.scaling.attn_factor"] ?? read["rope.scaling.yarn_attn_factor"],
    beta_fast: read["rope.scaling.yarn_beta_fast"],
    beta_slow: read["rope.scaling.yarn_beta_slow"],
    original,
    context,
    ...(short ? { short_factor: [...readFloats(short)] } : {}),
    ...(long ? { long_factor: [...readFloats(long)] } : {}),
  };
  // llama.cpp's converter writes Llama 3's frequencies out as divisors.
  const divisors = tensors.get("rope_freqs.weight");
  if (!divisors) return rotaryOf(path, asked);
  const { spec } = rotaryOf(path, { ...asked, rope_type: "default" });
  return { spec: { ...spec, divisors: checked(path, readFloats(divisors), spec.dimensions) } };
}

/** Tensors of a GGUF file that {@link rotaryOfGguf} reads, beside those of the layers. */
export const ROTARY_TENSORS = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"];

type Asked = RopeParameters & {
  dimensions: number;
  theta: number;
  original: number | undefined;
  context: number;
};

function rotaryOf(path: string, asked: Asked): Rotary {
  const { dimensions, theta } = asked;
  if (dimensions % 2 !== 0)
    throw inconsistent(path, `turns ${dimensions} dimensions of a head, which is no even number`);
  const plain: RotarySpec = { dimensions, theta, factor: 1 };
  const type = asked.rope_type ?? asked.type ?? "default";
  switch (type) {
    case "default":
      return { spec: plain };
    case "linear":
      return { spec: { ...plain, divisors: new Float64Array(dimensions / 2).fill(needed(path, type, asked.factor)) } };
    case "dynamic":
      // Its frequencies change in texts longer than the context only, and by a power that two dimensions do not have.
      if (dimensions < 4) throw refused(path, "rope_scaling", type);
      return { spec: plain };
    case "llama3":
      return { spec: { ...plain, divisors: llama3(path, asked) } };
    case "yarn":
      return { spec: { ...plain, ...yarn(path, asked) } };
    case "longrope":
      return longrope(path, asked, plain);
    default:
      throw unsupported(path, `asks for rotary scaling (${type})`);
  }
}

const frequency = ({ dimensions, theta }: Asked, i: number) => theta ** ((-2 * i) / dimensions);
const pairs = ({ dimensions }: Asked, divisor: (i: number) => number) =>
  Float64Array.from({ length: dimensions / 2 }, (_, i) => divisor(i));

/** Llama 3.1: low frequencies are divided, high ones stay, and between them it goes over from one to the other. */
function llama3(path: string, asked: Asked): Float64Array {
  const factor = needed(path, "llama3", asked.factor);
  const original = needed(path, "llama3", asked.original);
  const [low, high] = [needed(path, "llama3", asked.low_freq_factor), needed(path, "llama3", asked.high_freq_factor)];
  return pairs(asked, (i) => {
    const turns = (original * frequency(asked, i)) / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / ((1 - kept) / factor + kept);
  });
}

/** Peng et al. 2023, arXiv:2309.00071. */
function yarn(path: string, asked: Asked): Pick<RotarySpec, "divisors" | "factor"> {
  const { dimensions, theta, context } = asked;
  const original = asked.original ?? context;
  const factor = asked.factor === null ? context / original : needed(path, "yarn", asked.factor);
  const scale = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const byMscale = asked.mscale && asked.mscale_all_dim ? scale(asked.mscale) / scale(asked.mscale_all_dim) : scale(1);
  if (!Number.isFinite(factor)) throw inconsistent(path, "asks for rotary scaling (yarn) by no factor");
  /** The pair that turns so often over the original context. */
  const pairOf = (turns: number) => (dimensions * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [floor, ceil] = asked.truncate === false ? [Number, Number] : [Math.floor, Math.ceil];
  const low = Math.max(0, floor(pairOf(asked.beta_fast || 32)));
  let high = Math.min(dimensions - 1, ceil(pairOf(asked.beta_slow || 1)));
  if (low === high) high += 0.001;
  const divisors = pairs(asked, (i) => {
    const divided = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return 1 / (divided / factor + 1 - divided);
  });
  return { divisors, factor: asked.attention_factor ?? byMscale };
}

/** Ding et al. 2024, arXiv:2402.13753: one set of divisors for texts up to the original context, another for longer ones. */
function longrope(path: string, asked: Asked, plain: RotarySpec): Rotary {
  const original = needed(path, "longrope", asked.original);
  const scaled = asked.factor ?? asked.context / original;
  const factor = asked.attention_factor ?? (scaled <= 1 ? 1 : Math.sqrt(1 + Math.log(scaled) / Math.log(original)));
  const spec = (divisors: number[] | undefined) => ({
    ...plain,
    divisors: checked(path, Float64Array.from(needed(path, "longrope", divisors)), plain.dimensions),
    factor,
  });
  const short = spec(asked.short_factor);
  return asked.context <= original
    ? { spec: short }
    : { spec: short, long: { spec: spec(asked.long_factor), after: original } };
}

function needed<T>(path: string, type: string, value: T | null | undefined): T {
  if (value === null || value === undefined)
    throw inconsistent(path, `asks for rotary scaling (${type}) and does not say all that it needs`);
  return value;
}

function checked(path: string, divisors: Float64Array, dimensions: number): Float64Array {
  if (divisors.length !== dimensions / 2 || !divisors.every((divisor) => divisor > 0))
    throw inconsistent(path, `has ${divisors.length} rotary factors, which do not fit ${dimensions} dimensions`);
  return divisors;
}
