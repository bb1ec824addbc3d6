import { z } from "zod";
import { type Checkpoint, inconsistent, type MetadataValue, problems, refused, unsupported } from "../checkpoint.js";
import type { Sizes } from "./family.js";
import { refuseForeign } from "./foreign.js";

export const count = z.int().positive();
/** Above this a number is a damaged one. */
export const layerCount = count.max(10_000);
export const real = z.number().positive();

/**
 * Settings of a config.json, as a family's schema has them.
 * @param elsewhere names of others that the family reads.
 * @throws ERR_TOKENLENSE_FORMAT where they do not hold, ERR_TOKENLENSE_ARCHITECTURE as {@link refuseForeign}.
 */
export function readSettings<T extends z.ZodRawShape>(
  checkpoint: Checkpoint,
  schema: z.ZodObject<T>,
  elsewhere: readonly string[] = [],
): z.infer<z.ZodObject<T>> {
  const { path, settings } = checkpoint;
  refuseForeign(checkpoint, [...Object.keys(schema.shape), ...elsewhere]);
  return parse(path, "settings", schema, Object.fromEntries(settings));
}

function parse<T extends z.ZodType>(path: string, what: string, schema: T, values: unknown): z.infer<T> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  throw inconsistent(path, `has ${what} that do not hold: ${problems(parsed.error)}`);
}

/** Keys that may stand in a GGUF file if they ask for nothing: the values that do, and what they would ask for. */
const NEUTRAL: Record<string, { neutral: readonly MetadataValue[]; asks: string }> = {
  expert_count: { neutral: [0], asks: "mixture-of-experts layers" },
  expert_used_count: { neutral: [0], asks: "mixture-of-experts layers" },
  // Shares by softmax.
  expert_gating_func: { neutral: [1], asks: "another choice of experts" },
  "rope.scaling.yarn_ext_factor": { neutral: [1], asks: "another rotary scaling" },
  "attention.causal": { neutral: [true], asks: "attention that is not causal" },
  "attention.sliding_window": { neutral: [0], asks: "sliding-window attention" },
};

/** Sizes, by the names that every architecture has for them in GGUF. */
const ggufSizes = z.object({
  block_count: layerCount,
  context_length: count,
  embedding_length: count,
  feed_forward_length: count,
  "attention.head_count": count,
  "attention.head_count_kv": count.optional(),
  "attention.key_length": count.optional(),
  "attention.value_length": count.optional(),
  vocab_size: count.optional(),
});

/** What tells of rotary positions in GGUF. */
export const ggufRotary = z.object({
  "rope.dimension_count": count.optional(),
  "rope.freq_base": real.default(10_000),
  "rope.scaling.type": z.string().optional(),
  "rope.scaling.factor": z.number().nonnegative().optional(),
  "rope.scaling.original_context_length": count.optional(),
  "rope.scaling.attn_factor": real.optional(),
  // YaRN's, as the converter takes them from config.json.
  "rope.scaling.yarn_attn_factor": real.optional(),
  "rope.scaling.yarn_beta_fast": real.optional(),
  "rope.scaling.yarn_beta_slow": real.optional(),
  "rope.scaling.finetuned": z.boolean().optional(),
  "rope.scale_linear": z.number().nonnegative().optional(),
});
export type GgufRotary = z.infer<typeof ggufRotary>;

/**
 * Settings of a GGUF file without their prefix, the architecture's name, where every one must be known.
 * @param schema of those beside the sizes.
 * @param elsewhere names of others that the family reads.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for one that asks for what the family does not compute, as {@link readSettings}.
 */
export function readGguf<T extends z.ZodRawShape>(
  { path, settings, tensors }: Checkpoint,
  schema: z.ZodObject<T>,
  elsewhere: readonly string[] = [],
): { read: z.infer<z.ZodObject<T>>; sizes: Sizes } {
  const architecture = settings.get("general.architecture");
  const whole = ggufSizes.extend(schema.shape);
  const own: Record<string, MetadataValue> = {};
  for (const [key, value] of settings) {
    if (!key.startsWith(`${architecture}.`)) continue;
    const name = key.slice(`${architecture}.`.length);
    own[name] = value;
    if (name in whole.shape || elsewhere.includes(name)) continue;
    const known = NEUTRAL[name];
    if (!known) throw unsupported(path, `has the setting ${key}, which this version does not know`);
    if (!known.neutral.includes(value)) throw unsupported(path, `asks for ${known.asks} (${key} = ${String(value)})`);
  }
  const parsed = parse(path, `settings of ${architecture}`, whole, own);
  const read = parsed as z.infer<typeof ggufSizes> & z.infer<z.ZodObject<T>>;
  const [width, heads] = [read.embedding_length, read["attention.head_count"]];
  const headDim = read["attention.key_length"] ?? width / heads;
  if ((read["attention.value_length"] ?? headDim) !== headDim)
    throw unsupported(path, "has values of another size than keys");
  return {
    read,
    sizes: {
      layers: read.block_count,
      heads,
      kvHeads: read["attention.head_count_kv"] ?? heads,
      headDim,
      width,
      hidden: read.feed_forward_length,
      // The embedding knows best: files exist whose vocabulary was padded after the settings were written.
      vocabulary: tensors.get("token_embd.weight")?.shape[0] ?? read.vocab_size ?? 0,
      context: read.context_length,
    },
  };
}

/** Sizes of a decoder, by the names that most families have for them in config.json. */
export function folderSizes(read: {
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads?: number | null | undefined;
  head_dim?: number | null | undefined;
  hidden_size: number;
  intermediate_size: number;
  vocab_size: number;
  max_position_embeddings: number;
}): Sizes {
  return {
    layers: read.num_hidden_layers,
    heads: read.num_attention_heads,
    kvHeads: read.num_key_value_heads ?? read.num_attention_heads,
    headDim: read.head_dim ?? read.hidden_size / read.num_attention_heads,
    width: read.hidden_size,
    hidden: read.intermediate_size,
    vocabulary: read.vocab_size,
    context: read.max_position_embeddings,
  };
}

/** Tables of positions are as long as the context; above this a number is a damaged one. */
const LONGEST_CONTEXT = 2 ** 20;

/** @throws ERR_TOKENLENSE_FORMAT for sizes that no model has. */
export function checkSizes({ path, format, settings }: Checkpoint, sizes: Sizes): void {
  const { heads, kvHeads, headDim, width, vocabulary, context } = sizes;
  if (vocabulary < 1) throw inconsistent(path, "has no token embedding");
  if (context > LONGEST_CONTEXT) throw inconsistent(path, `has a context of ${context} tokens`);
  if (heads % kvHeads !== 0)
    throw inconsistent(path, `has ${heads} heads, which ${kvHeads} key/value heads cannot share`);
  if (!Number.isInteger(headDim))
    throw inconsistent(path, `has ${width} dimensions, which ${heads} heads cannot share`);
  // A family that has no such setting would do as if it were not there.
  const told = format === "folder" ? settings.get("head_dim") : undefined;
  if (typeof told === "number" && told !== headDim) throw refused(path, "head_dim", told);
}

/** transformers' names of activations, and ours. */
const ACTIVATIONS: Record<string, string> = {
  silu: "silu",
  swish: "silu",
  relu: "relu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_fast: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
};

/**
 * @param setting where it was found.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for one that no operator computes.
 */
export function activationOf(path: string, name: string, setting = "hidden_act"): string {
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation) return activation;
  throw refused(path, setting, name);
}
