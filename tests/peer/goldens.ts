import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { decodeFloats } from "../../bench/numbers.js";
import { loadModel, type Model, native } from "../../src/index.js";
import { resolveStep } from "../../src/steps/index.js";
import { writeSmallGpt2 } from "../goldens/small-gpt2.js";
import { REAL_MODEL } from "../models/real.js";
import { temporaryFolder } from "../tiny-model.js";

// Goldens of tests/goldens/methods.py, whose `about` says what Inseq really does for each method.

export interface Stored {
  shape: number[];
  data: string;
}
/** By name: vnorm and sum over the embedding, scores, heads, layers, deltas. */
export type Arrays = Record<string, Stored>;
export interface Entry {
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
export interface StepGolden {
  model: string;
  name: string;
  contrast: string | null;
  options: Record<string, number>;
  float32?: { value: Stored };
  float64?: { value: Stored };
}
export const goldens = JSON.parse(readFileSync(new URL("../goldens/methods.json", import.meta.url), "utf8")) as {
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
  steps: StepGolden[];
  entries: Entry[];
};

/** Share of the largest score. */
export const TOLERANCE = 1e-4;
export const SINGLE_PASS = 1e-5;
/** Where rounding is magnified, two programs may differ by so many times what one of them was seen to be off. */
export const SPREAD = 20;
export const singlePass = ["saliency", "input_x_gradient", "layer_gradient_x_activation", "attention"];
/** That softmax errs otherwise with other vector widths: Inseq's float32 scores are those of one kind of CPU. */
export const sameCpu = native().info().cpuCapability === goldens.about.capability;

const folder = temporaryFolder();
const own = process.env.TOKENLENSE_CACHE;
/** By the name that goldens have for it. */
export const loaded = new Map<string, Model>();
beforeAll(async () => {
  loaded.set("gpt2", await loadModel(writeSmallGpt2(join(folder, "gpt2"))));
  delete process.env.TOKENLENSE_CACHE; // the default model is where it always is
  loaded.set("smollm2", await loadModel(REAL_MODEL));
  process.env.TOKENLENSE_CACHE = own;
});
afterAll(() => {
  for (const model of loaded.values()) model.dispose();
});

/**
 * Along a path a language model's outputs change abruptly, and where a node falls on such a place, rounding is magnified
 * a thousandfold: Inseq's float32 is then itself far from its float64. Of each output, by how much at most, over the
 * entries of that kind; [outputs].
 */
export function roundingOf({ model, method }: Entry): number[] {
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

/** Inseq aligns a contrast from the end. */
export function contrastOf({ model, step, stepOptions }: Pick<Entry, "model" | "step" | "stepOptions">): object {
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
