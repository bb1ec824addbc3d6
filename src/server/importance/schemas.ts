import { z } from "zod";

export const units = ["token", "word"] as const;
export const parts = ["prompt", "target", "all"] as const;
export type Unit = z.output<typeof unit>;
export type Part = z.output<typeof part>;

export const unit = z.enum(units).default("token").describe("words are merged tokens: scores by absmax");
export const part = z
  .enum(parts)
  .default("prompt")
  .describe("which positions count: the prompt's, the continuation's, or all");

const place = z.object({
  /** Of the result. */
  id: z.string(),
  position: z.int().describe("the token's, from 0; of a word its first"),
  share: z.number(),
});

/** A token's share of an output is the size of its score over the sum of all sizes. */
const item = z.object({
  token: z.string().describe("its text without spaces around; where it has none, its form in the vocabulary"),
  occurrences: z.int(),
  results: z.int().describe("in how many results"),
  total: z.number().describe("sum over occurrences of the mean share of the outputs after them"),
  mean: z.number().describe("mean over occurrences"),
  most: z.number().describe("the largest of an occurrence"),
  lift: z.number().describe("mean over occurrences of how many times the share of an average token it has"),
  places: z.array(place).describe("where its share is largest, of three results at most"),
});

export const tokenImportanceList = z.object({
  items: z.array(item).describe("the largest total first"),
  tokens: z.int().describe("how many there are; items may be fewer"),
  results: z.int().describe("how many were read, the newest first"),
  matching: z.int().describe("how many there are to read"),
  damaged: z.array(z.object({ id: z.string(), code: z.string(), message: z.string() })),
});
