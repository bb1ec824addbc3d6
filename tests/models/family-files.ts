/** The small models of tests/goldens/families.json as folders and GGUF files, their weights computed as families.py computes them. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { byteTokenizer, writeWeights } from "./folder-writer.js";
import { encodeTensor, type GgufInput, type MetadataValue } from "./gguf-writer.js";

interface TensorEntry {
  name: string;
  shape: number[];
  seed: number;
  offset: number;
  spread: number;
}

type Recipe = ["same" | "plus" | "transpose"] | ["interleave", number] | ["ungroup", number, number];

export interface FamilyCase {
  ids: number[];
  /** Of each token but the first, at the position before it. */
  logit: number[];
  /** Log Σ exp of all logits, at each position. */
  normaliser: number[];
  /** All logits at the last position. */
  last: number[];
  top: number;
  /** Of the largest of them by the input embeddings, [ids.length, width]. */
  gradient: number[];
}

export interface FamilyGolden {
  name: string;
  config: { [setting: string]: unknown };
  tensors: TensorEntry[];
  /** Computed in float64. */
  cases: FamilyCase[];
  /** How far transformers' float32 is from that, as shares of the largest. */
  float32: { logits: number; gradients: number };
  /** Continuation of the second case's ids. */
  greedy: number[];
  gguf?: {
    architecture: string;
    metadata: Record<string, number | string | boolean>;
    tensors: { name: string; shape: number[]; from: string[]; how: Recipe }[];
    extra: Record<string, number[]>;
  };
}

export const FAMILY_GOLDENS = (
  JSON.parse(readFileSync(new URL("../goldens/families.json", import.meta.url), "utf8")) as { families: FamilyGolden[] }
).families;

function hash(k: number, seed: number): number {
  let x = (Math.imul(k, 2654435761) + Math.imul(seed, 40503) + 12345) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  x = Math.imul(x, 2246822519) >>> 0;
  x = (x ^ (x >>> 13)) >>> 0;
  x = Math.imul(x, 3266489917) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return (x >>> 8) / 2 ** 23 - 1;
}

const size = (shape: number[]) => shape.reduce((product, n) => product * n, 1);

function values({ shape, seed, offset, spread }: TensorEntry): Float32Array {
  return Float32Array.from({ length: size(shape) }, (_, k) => offset + spread * hash(k, seed));
}

/** Printable symbols, one for each token: the tokenizer is only there because a model must have one. */
const symbols = (count: number) => Array.from({ length: count }, (_, i) => String.fromCharCode(33 + i));

const vocabularySize = ({ cases }: FamilyGolden) => (cases[0] as FamilyCase).last.length;

/** @param rounded matrices are what is left of them in this encoding. */
export function writeFamilyFolder(folder: string, golden: FamilyGolden, rounded?: "BF16" | "F16"): string {
  mkdirSync(folder, { recursive: true });
  const tensors = golden.tensors.map((entry) => {
    const exact = values(entry);
    const matrix = entry.shape.length > 1;
    const data = rounded && matrix ? encodeTensor(entry.name, entry.shape, exact, rounded).values : exact;
    return { name: entry.name, shape: entry.shape, dtype: "F32", bytes: new Uint8Array(data.buffer) };
  });
  writeWeights(folder, tensors);
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  json("config.json", golden.config);
  json("tokenizer.json", byteTokenizer(symbols(vocabularySize(golden))));
  json("tokenizer_config.json", { tokenizer_class: "GPT2Tokenizer" });
  return folder;
}

/** As llama.cpp converts it. */
export function familyGguf(golden: FamilyGolden): GgufInput {
  const { tensors, gguf } = golden;
  if (!gguf) throw new Error("llama.cpp does not know it");
  const typed = (value: number | string | boolean): MetadataValue => {
    if (typeof value === "string") return { string: value };
    if (typeof value === "boolean") return { bool: value };
    return Number.isInteger(value) ? { u32: value } : { f32: value };
  };
  // JSON does not tell 4.0 from 4, and a reader must take a number as either.
  const metadata = Object.entries(gguf.metadata).map(([key, value]) => [`${gguf.architecture}.${key}`, typed(value)]);
  const byName = new Map(tensors.map((entry) => [entry.name, entry]));
  const made = gguf.tensors.map(({ name, shape, from, how }) => {
    const parts = from.map((source) => {
      const entry = byName.get(source);
      if (!entry) throw new Error(`no tensor ${source}`);
      return convert(values(entry), entry.shape, how);
    });
    const all = new Float32Array(size(shape));
    for (const [i, part] of parts.entries()) all.set(part, i * part.length);
    return encodeTensor(name, shape, all, "F32").tensor;
  });
  const extra = Object.entries(gguf.extra).map(
    ([name, list]) => encodeTensor(name, [list.length], Float32Array.from(list), "F32").tensor,
  );
  const tokens = symbols(vocabularySize(golden));
  return {
    metadata: {
      "general.architecture": { string: gguf.architecture },
      ...Object.fromEntries(metadata),
      "tokenizer.ggml.model": { string: "gpt2" },
      "tokenizer.ggml.pre": { string: "gpt-2" },
      "tokenizer.ggml.tokens": { strings: tokens },
      "tokenizer.ggml.token_type": { i32s: tokens.map(() => 1) },
      "tokenizer.ggml.merges": { strings: [] },
    },
    tensors: [...made, ...extra],
  };
}

/** What the converter does to a tensor, as families.py's `how` says it. */
function convert(data: Float32Array, shape: number[], [kind, ...counts]: Recipe): Float32Array {
  const row = size(shape.slice(1));
  const rows = (order: number[]) => {
    const out = new Float32Array(data.length);
    for (const [to, from] of order.entries()) out.set(data.subarray(from * row, (from + 1) * row), to * row);
    return out;
  };
  const total = shape[0] as number;
  switch (kind) {
    case "same":
      return data;
    case "plus":
      return data.map((value) => value + 1);
    case "transpose":
      return data.map((_, i) => data[(i % total) * row + Math.floor(i / total)] as number);
    case "interleave": {
      const dim = total / (counts[0] as number);
      // Row (head, pair, half) comes from (head, half, pair).
      return rows(
        Array.from({ length: total }, (_, to) => {
          const within = to % dim;
          return to - within + (within % 2) * (dim / 2) + Math.floor(within / 2);
        }),
      );
    }
    case "ungroup": {
      const [groups, queries] = counts as [number, number];
      const dim = total / (groups * (queries + 2));
      const range = (from: number, count: number) =>
        Array.from({ length: groups }, (_, group) =>
          Array.from({ length: count * dim }, (_, i) => (group * (queries + 2) + from) * dim + i),
        ).flat();
      return rows([...range(0, queries), ...range(queries, 1), ...range(queries + 1, 1)]);
    }
  }
}
