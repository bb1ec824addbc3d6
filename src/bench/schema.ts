import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TokenlenseError } from "../errors.js";
import { stages } from "./likeness-text.js";

export const REPORT_FILE = "report.json";

const positive = z.number().positive();
const bytes = z.number().nonnegative();

/** How far a model leans on what an attribution names, and on what chance names. */
const faithfulnessSchema = z.object({
  comprehensiveness: z.number(),
  sufficiency: z.number(),
  deletion: z.number(),
  insertion: z.number(),
});

const values = z.array(z.number());

/**
 * The outputs' probability as tokens go, or come back, in the order of their scores, and in random orders. Comprehensiveness
 * at a share is the first of `deletion` less that at the share, sufficiency the same less that of `insertion`.
 */
const curvesSchema = z.object({
  /** Shares of the tokens before an output, from 0 to 1. */
  points: values,
  deletion: values,
  randomDeletion: values,
  insertion: values,
  randomInsertion: values,
});

/** A figure in the mean over prompts, beside random orders. */
const estimateSchema = z.object({
  attribution: z.number(),
  random: z.number(),
  /** Attribution less random, prompt by prompt. */
  difference: z.number(),
  /** Of the difference, with 95 % confidence; absent where there is one prompt only. */
  interval: z.tuple([z.number(), z.number()]).optional(),
});

/** Of a method's scores and others of the same outputs: means over the outputs that have the figure. */
const likenessSchema = z.object({
  /** Spearman's rank correlation, −1 to 1. */
  spearman: z.number().optional(),
  /** Of the three tokens with the largest sizes, the share that both have, 0 to 1. */
  topOverlap: z.number().optional(),
});

export const metricsSchema = z.object({
  promptTokens: z.int().positive(),
  outputTokens: z.int().positive(),
  /** Wall seconds of generating the outputs, and seconds of processor time of all threads. */
  generateSeconds: positive,
  generateCpuSeconds: z.number().nonnegative(),
  /** The same of attributing them. */
  attributeSeconds: positive,
  attributeCpuSeconds: z.number().nonnegative(),
  /** Outputs per second. */
  generateTokensPerSecond: positive,
  attributeTokensPerSecond: positive,
  /** The most resident memory of the model's process, with weights, libraries and what its allocator keeps for later. */
  peakBytes: bytes,
  /** Working memory that the engine reckoned with, weights not counted. */
  workingBytes: bytes,
  /** Of the device's memory in use, and its mean power; only where there is an Nvidia device in use. */
  gpuBytes: bytes.optional(),
  gpuWatts: z.number().nonnegative().optional(),
  /** Of the attribution's matrix products. */
  flops: z.number().nonnegative(),
  gflopsPerSecond: z.number().nonnegative(),
  /** Of the fastest matrix product that was measured on this machine; on the CPU only. */
  shareOfLimit: z.number().nonnegative().optional(),
  /** Mean size of the outputs' deltas; only for methods whose scores have a sum to reach. */
  convergenceDelta: z.number().nonnegative().optional(),
  faithfulness: faithfulnessSchema.extend({ random: faithfulnessSchema, curves: curvesSchema.optional() }).optional(),
  /** The stored attribution, a path in the run's folder; of the first repeat, as others give the same scores. */
  result: z.string().optional(),
});

const errorSchema = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

/** What is to be measured: one repeat of one prompt by one method on one model. */
export const cellSchema = z.object({
  model: z.string(),
  method: z.string(),
  /** Of the report's prompts, from 0. */
  prompt: z.int().nonnegative(),
  repeat: z.int().nonnegative(),
});

const measured = z.object({ status: z.literal("ok") });
/** "error": refused or failed; "timeout", "memory": over the cell's limit; "crashed": the model's process ended. */
const failed = z.object({ status: z.enum(["error", "timeout", "memory", "crashed"]), error: errorSchema });

export const rowSchema = z.discriminatedUnion("status", [
  cellSchema.extend({ ...measured.shape, ...metricsSchema.shape }),
  cellSchema.extend(failed.shape),
]);

/** How far two methods agree on a prompt. */
const agreementSchema = cellSchema.omit({ repeat: true }).extend({ other: z.string(), ...likenessSchema.shape });

export const stageSchema = z.enum(stages);

const checkSchema = cellSchema.omit({ repeat: true }).extend({ stage: stageSchema });

/** How far a method's scores are like those that it gives of the model with its weights in random order. */
export const randomisationSchema = z.discriminatedUnion("status", [
  checkSchema.extend({ ...measured.shape, ...likenessSchema.shape }),
  checkSchema.extend(failed.shape),
]);

/** Means over the prompts that have the figure, of so many that were compared. */
const meansShape = { prompts: z.int().positive(), ...likenessSchema.shape };

const modelSchema = z.object({
  /** As it was asked for. */
  model: z.string(),
  name: z.string(),
  sha256: z.string(),
  dtype: z.string(),
  device: z.string(),
  loadSeconds: positive,
  /** Whether it can be randomised in part. */
  layered: z.boolean().default(true),
});

export const systemSchema = z.object({
  host: z.string(),
  os: z.string(),
  cpu: z.string(),
  physicalCores: z.int().nonnegative(),
  cores: z.int().positive(),
  memoryBytes: bytes,
  gpus: z.array(z.object({ model: z.string(), memoryBytes: bytes.optional() })),
  versions: z.record(z.string(), z.string()),
  /** libtorch's word for the processor's instructions: "AVX512", "AVX2", "DEFAULT". */
  capability: z.string(),
  threads: z.int().positive(),
  devices: z.array(z.string()),
  /** GFLOP/s of the fastest matrix product path, over all shapes measured. */
  gemmLimit: positive,
});

/** Median, least and most of a figure over the rows that were measured. */
const spreadSchema = z.object({ median: z.number(), least: z.number(), most: z.number() });

export const summarySchema = z.object({
  /** What the rows have in common; the others are absent. */
  model: z.string().optional(),
  method: z.string().optional(),
  prompt: z.int().nonnegative().optional(),
  rows: z.int().nonnegative(),
  measured: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  /** By the metric's name. Of faithfulness: "comprehensiveness", "randomComprehensiveness", … */
  figures: z.record(z.string(), spreadSchema),
});

export const reportSchema = z.object({
  version: z.literal(1),
  kind: z.enum(["matrix", "scale"]),
  /** ISO 8601; `ended` is null where the run was stopped. */
  started: z.string(),
  ended: z.string().nullable(),
  /** What decides the rows, by the command line's names. */
  options: z.record(z.string(), z.unknown()),
  system: systemSchema,
  prompts: z.array(
    z.object({ index: z.int().nonnegative(), name: z.string(), text: z.string(), outputTokens: z.int().positive() }),
  ),
  models: z.array(modelSchema),
  /** How many rows a whole run has. */
  cells: z.int().nonnegative(),
  rows: z.array(rowSchema),
  /** Each pair of a model and a method. */
  methods: z.array(summarySchema),
  byPrompt: z.array(summarySchema),
  byModel: z.array(summarySchema),
  /** Each pair of a model and a method against chance. */
  faithfulness: z
    .array(
      z.object({
        ...cellSchema.pick({ model: true, method: true }).shape,
        prompts: z.int().positive(),
        comprehensiveness: estimateSchema,
        sufficiency: estimateSchema,
        deletion: estimateSchema,
        insertion: estimateSchema,
      }),
    )
    .default([]),
  /** Each pair of methods on each prompt of a model. */
  agreement: z.array(agreementSchema).default([]),
  agreementMeans: z.array(agreementSchema.omit({ prompt: true }).extend(meansShape)).default([]),
  /** Adebayo et al.'s check of each method, on some of the prompts. */
  randomisation: z.array(randomisationSchema).default([]),
  randomisationMeans: z.array(checkSchema.omit({ prompt: true }).extend(meansShape)).default([]),
  /** How the cost grows; of a "scale" run. */
  fits: z
    .array(
      z.object({
        model: z.string(),
        method: z.string(),
        /** Seconds = factor · (prompt tokens)^prompt · (output tokens)^output. */
        factor: positive,
        prompt: z.number(),
        output: z.number(),
        /** Share of the variance of log seconds that this explains. */
        r2: z.number(),
      }),
    )
    .optional(),
});

export type Cell = z.output<typeof cellSchema>;
export type Metrics = z.output<typeof metricsSchema>;
export type Faithfulness = NonNullable<Metrics["faithfulness"]>;
export type Row = z.output<typeof rowSchema>;
export type MeasuredRow = Extract<Row, { status: "ok" }>;
export type FailedRow = Exclude<Row, { status: "ok" }>;
export type Likeness = z.output<typeof likenessSchema>;
export type Stage = z.output<typeof stageSchema>;
export type Check = z.output<typeof checkSchema>;
export type CheckedRow = z.output<typeof randomisationSchema>;
export type Failed = z.output<typeof failed>;
export type LoadedModel = z.output<typeof modelSchema>;
export type System = z.output<typeof systemSchema>;
export type Summary = z.output<typeof summarySchema>;
export type Report = z.output<typeof reportSchema>;
export type Fit = NonNullable<Report["fits"]>[number];

export const isMeasured = <R extends { status: string }>(row: R): row is Extract<R, { status: "ok" }> =>
  row.status === "ok";

/**
 * Reads a run's report.
 * @param path the run's folder, or its report.json.
 * @throws ERR_TOKENLENSE_FILE, ERR_TOKENLENSE_FORMAT
 */
export async function readReport(path: string): Promise<Report> {
  let file = path;
  let text: string;
  try {
    if ((await stat(path)).isDirectory()) file = join(path, REPORT_FILE);
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FILE", `Cannot read ${file}: ${(cause as Error).message}`, {
      hint: "Name the folder of a run of `tokenlense bench`, or the report.json in it.",
      cause,
    });
  }
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new TokenlenseError("ERR_TOKENLENSE_FORMAT", `${file} is no report of a benchmark, or is damaged.`, {
      cause,
    });
  }
}
