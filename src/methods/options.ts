import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import type { BaselinePlan } from "../native.js";
import { requireIds } from "../sequence.js";
import type { MethodContext } from "./method.js";

/** How a gradient's embedding dimension goes. */
export const aggregate = z
  .enum(["vnorm", "sum", "none"])
  .default("vnorm")
  .describe("how the embedding dimension goes: L2 norm, signed sum, or kept");

export const reductions = { vnorm: "l2", sum: "sum", none: "none" } as const;

/** Scores keep the embedding dimension, or have none after [sequence, outputs]. */
export function embeddingDimension({ aggregate }: { aggregate: string }): readonly string[] {
  return aggregate === "none" ? ["embedding"] : [];
}

/** As transformers counts hidden states: 0 is the embeddings, k the output of the k-th layer. */
export const layer = z.int().nonnegative().default(0).describe("0: the embeddings, k: the output of the k-th layer");

export function requireLayer({ model }: MethodContext, layer: number): number {
  const { layers } = model.contract;
  if (layer < layers) return layer;
  throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `layer: ${layer} is not below ${layers}, the model's layers.`, {
    hint: "0 is the embeddings, k the output of the k-th layer; after the last one no layer is left to attribute through.",
  });
}

const indices = z.array(z.int().nonnegative()).min(1).optional();
export const layers = indices.describe("from 0 on (default: all)");
export const heads = indices.describe("from 0 on (default: all)");
export const mean = z
  .boolean()
  .default(true)
  .describe("over layers and heads; false keeps them as dimensions of the scores");

/** Chosen layers or heads as the engine takes them. */
export const list = (chosen: number[] | undefined) => Int32Array.from(chosen ?? []);
export const layersAndHeads = ({ mean }: { mean: boolean }): readonly string[] => (mean ? [] : ["layer", "head"]);

export const steps = z.int().positive().default(50).describe("nodes of the quadrature; with a tolerance, the most");

export const rule = z
  .enum(["gausslegendre", "riemann_left", "riemann_right", "riemann_middle", "riemann_trapezoid"])
  .default("gausslegendre")
  .describe("quadrature along the path");

export const multiplyByInput = z.boolean().default(true).describe("times the difference from the baseline");

export const tolerance = z
  .number()
  .min(1e-6)
  .max(1)
  .optional()
  .describe(
    "in place of a number of steps: as few as keep the convergence delta below this share of the step function's change, each output's where it changes",
  );

export const seed = z.int().nonnegative().default(0).describe("of what is drawn at random");

/** What stands for the absence of information. */
export const baseline = z
  .union([z.enum(["unk", "pad", "zero", "mean"]), z.strictObject({ text: z.string().min(1) })])
  .optional()
  .describe(
    'in place of each token: "unk" or "pad" token, "zero" vector, "mean" of all embeddings, or the tokens of { text } (default: unk where the model has one, else zero)',
  );

/**
 * A baseline as the engine takes it. Ends of text stay as they are with "unk" and "pad", as Inseq has it.
 * @throws ERR_TOKENLENSE_INPUT where the model has no such token, or the text is not as many tokens as the sequence.
 */
export function baselinePlan(choice: z.output<typeof baseline>, { model, ids }: MethodContext): BaselinePlan {
  const { tokens } = model.contract;
  if (choice === "zero" || choice === "mean") return { kind: choice };
  if (typeof choice === "object") {
    const own = model.tokenizer.encode(choice.text);
    if (own.length < ids.length - 1)
      throw new TokenlenseError(
        "ERR_TOKENLENSE_INPUT",
        `baseline: the text has ${own.length} tokens; the sequence has ${ids.length - 1} before its last output.`,
        { hint: "Give a text of at least as many tokens: each stands in for the token at its place." },
      );
    requireIds(model, "baseline", own);
    return { kind: "ids", ids: own.slice(0, ids.length) };
  }
  const token = choice === "pad" ? tokens.pad : tokens.unk;
  if (token === undefined || token === null) {
    if (choice === undefined) return { kind: "zero" };
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `baseline: ${model.name} has no ${choice} token.`, {
      hint: 'Use "zero", "mean" or { text }.',
    });
  }
  return { kind: "ids", ids: ids.map((id) => (tokens.eos.includes(id) ? id : token)) };
}
