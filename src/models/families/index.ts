import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TokenlenseError } from "../../errors.js";
import { packageRoot } from "../../install/package.js";
import type { BuildSpec, WeightPart, WeightSpec } from "../../native.js";
import { type Checkpoint, ENCODINGS, inconsistent, type StoredTensor, unsupported } from "../checkpoint.js";
import type { Dtype } from "../contract.js";
import { bloom } from "./bloom.js";
import { falcon } from "./falcon.js";
import type { Blueprint, Family, PartPlan } from "./family.js";
import { gemma2, gemma3 } from "./gemma.js";
import { gpt2 } from "./gpt2.js";
import { gptneox } from "./gptneox.js";
import { llama, mistral, phi3, qwen2, qwen3 } from "./llama.js";
import { mixtral, qwen2moe, qwen3moe } from "./mixtral.js";
import { olmo2 } from "./olmo2.js";
import { opt } from "./opt.js";
import { ROTARY_TENSORS } from "./rotary.js";
import { checkSizes } from "./settings.js";
import { stablelm } from "./stablelm.js";

export type { Family } from "./family.js";

export const FAMILIES: readonly Family[] = [
  ...[llama, mistral, qwen2, qwen3, phi3],
  ...[gemma2, gemma3, olmo2, stablelm],
  ...[mixtral, qwen2moe, qwen3moe],
  ...[gpt2, opt, gptneox, falcon, bloom],
];

/** @throws ERR_TOKENLENSE_ARCHITECTURE where no family covers the checkpoint. */
export function familyOf(checkpoint: Checkpoint): Family {
  const { format, settings, path } = checkpoint;
  const listed = settings.get("architectures");
  const name = format === "gguf" ? settings.get("general.architecture") : Array.isArray(listed) ? listed[0] : undefined;
  const family = FAMILIES.find((row) => row[format] === name && (row.covers?.(checkpoint) ?? true));
  if (family && name !== undefined) return family;
  const covered = [...new Set(FAMILIES.flatMap((candidate) => candidate[format] ?? []))];
  throw new TokenlenseError(
    "ERR_TOKENLENSE_ARCHITECTURE",
    typeof name === "string"
      ? `${path} is of architecture "${name}", which no family covers.`
      : `${path} does not name its architecture.`,
    {
      hint: `Covered: ${covered.join(", ")}. \`tokenlense export\` makes archives of other architectures, by transformers.`,
    },
  );
}

/** Of files in native/families/, each read once: every model's place in the cache goes by all of them. */
const sourceTexts = new Map<string, string>();

function sourceText(file: string): string {
  const text = sourceTexts.get(file) ?? readFileSync(join(packageRoot(), "native", "families", file), "utf8");
  sourceTexts.set(file, text);
  return text;
}

/** TorchScript source of a family, with what all share, and the methods that it defines. */
export function familySource(family: Family): { source: string; methods: string[] } {
  const source = [...family.sources, "layered.py"].map(sourceText).join("\n");
  return { source, methods: [...source.matchAll(/^def (\w+)\(self\b/gm)].map((match) => match[1] as string) };
}

/** Whether DeepLIFT has a rule for all that a family computes: a mixture's choice of experts jumps between the baseline and the input. */
export function hasDeepliftRules(name: string): boolean {
  const family = FAMILIES.find((row) => row.name === name);
  return !family || !familySource(family).source.includes("ops.tokenlense.experts(");
}

/**
 * What the addon is told of a checkpoint: its module's attributes and weights.
 * @throws ERR_TOKENLENSE_ARCHITECTURE for a tensor that the family does not use, ERR_TOKENLENSE_FORMAT for one that is
 * missing or of another shape, or sizes that contradict one another.
 */
export function moduleSpec(
  checkpoint: Checkpoint,
  blueprint: Blueprint,
  dtype: Dtype,
): Pick<BuildSpec, "integers" | "floats" | "texts" | "lists" | "rotary" | "tables" | "weights"> {
  const { sizes, tied, rotary = [], positionBias = new Float32Array() } = blueprint;
  const { layers, heads, kvHeads, headDim, width, hidden, vocabulary, context } = sizes;
  checkSizes(checkpoint, sizes);
  const perLayer = (values: number[] | undefined) => Int32Array.from({ length: layers }, (_, i) => values?.[i] ?? 0);
  return {
    integers: {
      ...{ layers, heads, kv_heads: kvHeads, head_dim: headDim },
      ...{ width, hidden, vocabulary, context, tied: tied ? 1 : 0 },
      long_after: blueprint.longAfter ?? 0,
      first_layer: 0,
      ...blueprint.integers,
    },
    floats: {
      norm_eps: blueprint.normEps,
      attention_scale: blueprint.attentionScale ?? 1 / Math.sqrt(headDim),
      attention_softcap: blueprint.attentionSoftcap ?? 0,
      ...blueprint.floats,
    },
    texts: { activation: blueprint.activation },
    lists: {
      windows: perLayer(blueprint.windows),
      rotary_of: perLayer(blueprint.rotaryOf),
      normed_parts: Int32Array.from(blueprint.normedParts ?? []),
      ...Object.fromEntries(Object.entries(blueprint.lists ?? {}).map(([name, list]) => [name, Int32Array.from(list)])),
    },
    rotary,
    tables: [{ name: "position_bias", shape: positionBias.length > 0 ? [heads, context] : [0], values: positionBias }],
    weights: locateWeights(checkpoint, blueprint, dtype),
  };
}

/** Where each buffer's values lie in the checkpoint's files. */
function locateWeights({ path, tensors }: Checkpoint, { buffers }: Blueprint, dtype: Dtype): WeightSpec[] {
  const used = new Set([...buffers.flatMap(({ parts }) => parts.map(({ tensor }) => tensor)), ...ROTARY_TENSORS]);
  const unused = [...tensors.keys()].find((name) => !used.has(name));
  if (unused !== undefined) throw unusedTensor(path, unused);
  return buffers.map(({ name, shape, parts }) => ({
    name,
    shape,
    // Norms and biases are small, and what they are multiplied with is float32.
    ...(parts.some((part) => part.shape.length > 1) ? { dtype } : {}),
    parts: parts.map((part) => {
      const tensor = tensors.get(part.tensor);
      if (!tensor) throw inconsistent(path, `has no tensor ${part.tensor}`);
      return weightPart(tensor, part, path);
    }),
  }));
}

function weightPart(tensor: StoredTensor, part: PartPlan, path: string): WeightPart {
  const expected = part.transposed ? part.shape.toReversed() : part.shape;
  if (tensor.shape.join() !== expected.join()) {
    throw inconsistent(
      path,
      `has tensor ${tensor.name} in shape [${tensor.shape.join(", ")}], not [${expected.join(", ")}]`,
    );
  }
  // A vector is one row, and its own rows are values.
  const columns = part.shape.length > 1 ? (part.shape.at(-1) as number) : 1;
  const all = part.shape.reduce((product, n) => product * n, 1) / columns;
  const [first, rows] = part.rows ?? [0, all];
  const { block, bytes } = ENCODINGS[tensor.encoding];
  const vector = columns === 1;
  return {
    file: tensor.file,
    offset: tensor.offset + ((first * columns) / block) * bytes,
    encoding: tensor.encoding,
    rows: vector ? 1 : rows,
    columns: vector ? rows : columns,
    ...(part.rotaryHeads !== undefined ? { unpermuteHeads: part.rotaryHeads } : {}),
    ...(part.transposed ? { transposed: true } : {}),
    ...(part.plus !== undefined ? { plus: part.plus } : {}),
  };
}

function unusedTensor(path: string, name: string): TokenlenseError {
  const what = /\.bias$/.test(name)
    ? "biases"
    : /exp(s|ert)|ffn_gate_inp|block_sparse_moe/.test(name)
      ? "mixture-of-experts layers"
      : "weights that the family does not use";
  return unsupported(path, `has ${what}: tensor ${name}`);
}
