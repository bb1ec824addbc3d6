import { z } from "zod";

// What TokenLense's Analyzer answers, as its OpenAPI document (November 2025) has it, and what its visualizer reads besides.

export const aggregations = ["sum", "mean", "l2_norm", "abs_sum", "max"] as const;
export const aggregation = z
  .enum(aggregations)
  .default("sum")
  .describe("of the scores' dimensions after positions and outputs (embedding, layers, heads), where they have any");
export type AggregationName = z.output<typeof aggregation>;

export const aggregationOptions = z.object({ methods: z.array(z.enum(aggregations)), default: z.enum(aggregations) });

export const modelInfo = z.object({ models: z.array(z.string()) });
export const modelMethods = z.object({ model: z.string(), methods: z.array(z.string()) });
export const modelMethodFile = z.object({
  model: z.string(),
  method: z.string(),
  files: z.array(z.string()),
  file_details: z
    .array(
      z.object({
        prompt: z.string(),
        generation: z.string(),
        exec_time: z.number().nullable(),
        timestamp: z.string().describe("as the file's name begins"),
      }),
    )
    .nullable(),
});

const tokenWithId = z.object({ id: z.int(), token: z.string() });
const matrix = z
  .array(z.array(z.number()))
  .describe("a row for each of target_tokens, a column for each attributed token, as Inseq has them; 0 for none");

const base = {
  model: z.string(),
  method: z.string(),
  file_id: z.int().describe("place among the files of the model and method"),
  prompt: z.string(),
  generation: z.string().describe("the whole text, as Inseq has it"),
  attribution_matrix: matrix,
  aggregation: z.enum(aggregations),
};

export const attributionResponse = z.object({
  ...base,
  source_tokens: z.array(z.string()).describe("of the prompt"),
  target_tokens: z.array(z.string()).describe("of prompt and continuation"),
});

const matrixInfo = z.object({
  shape: z.array(z.int()),
  dtype: z.literal("float32"),
  is_attention: z.boolean(),
  tensor_type: z.string(),
});

const detail = {
  source_tokens: z.array(tokenWithId),
  target_tokens: z.array(tokenWithId),
  matrix_info: matrixInfo,
};

export const detailedResponse = z.object({
  ...base,
  ...detail,
  exec_time: z.number().describe("seconds; 0 where it is not known"),
  original_attribution_shape: z.array(z.int()),
});

export const compareResponse = z.object({
  results: z.array(
    z.object({
      ...detail,
      metadata: z.object({
        model_name: z.string(),
        attribution_method: z.string(),
        exec_time: z.number(),
        prompt: z.string(),
        generation: z.string(),
      }),
      attribution_matrix: matrix,
      filename: z.string(),
      timestamp: z.string(),
      aggregation: z.enum(aggregations),
    }),
  ),
  aggregation: z.enum(aggregations),
  count: z.int(),
});

export const importanceResponse = z.object({
  token_index: z.int(),
  is_target: z.boolean(),
  results: z.array(
    z.object({
      model: z.string(),
      method: z.string(),
      token: tokenWithId,
      influences: z.array(z.number()).describe("the token's scores for each attributed token"),
      sum_influence: z.number(),
      max_influence: z.number(),
      filename: z.string(),
    }),
  ),
  count: z.int(),
  aggregation: z.enum(aggregations),
});

const text = z.string().nullable();
const number = z.number().nullable();
const truth = z.boolean().nullable();

/** With the visualizer's names for some things beside those of the document. */
export const systemInfo = z.object({
  ...{ hostname: text, platform: text, platform_version: text, platform_release: text, processor: text },
  ...{ cpu_model: text, cpu_cores: number, cpu_count: number, memory_total_gb: number, memory_gb: number },
  ...{ gpu_info: text, cuda_version: text, torch_version: text, python_version: text },
  ...{ torch_cuda_available: truth, torch_mps_available: truth, cuda_available: truth, mps_available: truth },
});

export const methodTiming = z.looseObject({
  ...{ model: z.string(), method: z.string(), attribution_method: z.string() },
  success_rate: z.number(),
  ...{ successful_prompts: number, total_prompts: number },
  ...{ average_time: number, average_prompt_time: number, min_time: number, max_time: number, total_time: number },
  tokens_per_second: number,
  ...{ cpu_model: text, gpu_info: text, cuda_available: truth },
});

export const promptTiming = z.looseObject({
  ...{ model: z.string(), method: z.string(), attribution_method: z.string(), prompt: z.string() },
  ...{ tokens: number, time: number, tokens_per_second: number, success: truth },
});

export const timingResults = z.object({ method_timing: z.array(methodTiming), prompt_timing: z.array(promptTiming) });
