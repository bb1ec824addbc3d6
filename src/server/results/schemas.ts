import { z } from "zod";

/** A stored result in a list. */
export const resultSummary = z.object({
  id: z.string(),
  format: z.enum(["native", "inseq"]),
  sequences: z.int().positive(),
  model: z.string(),
  method: z.string(),
  step: z.string().optional(),
  prompt: z.string(),
  promptLength: z.int(),
  outputs: z.int(),
  timestamp: z.iso.datetime(),
  seconds: z.number().optional(),
});

const counted = z.array(z.object({ name: z.string(), results: z.int() }));
/** What there is to choose among. */
export const facets = z.object({ models: counted, methods: counted });

export const page = {
  page: z.coerce.number().int().min(1).max(1_000_000).default(1),
  pageSize: z.coerce.number().int().min(1).max(200).default(50),
};

/** A part of a list, and how long the whole is. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), page: z.int(), pageSize: z.int(), total: z.int() });

export function pageFrom<T>(all: readonly T[], { page, pageSize }: { page: number; pageSize: number }) {
  return { items: all.slice((page - 1) * pageSize, page * pageSize), page, pageSize, total: all.length };
}

/** One or more of a parameter that may be repeated. */
export const repeated = z.union([z.array(z.string()).min(1), z.string().transform((one) => [one])]);

/** Of a pair of results; a figure is missing where tokens are too few, or scores constant. */
const figures = { pearson: z.number().optional(), spearman: z.number().optional(), topOverlap: z.number().optional() };

export const comparisonSchema = z.object({
  results: z.array(resultSummary),
  pairs: z.array(
    z.object({
      results: z.tuple([z.int(), z.int()]).readonly().describe("places among results"),
      topK: z.int(),
      ...figures,
      outputs: z
        .array(
          z.object({ outputs: z.tuple([z.int(), z.int()]).readonly(), text: z.string(), tokens: z.int(), ...figures }),
        )
        .readonly(),
    }),
  ),
});
