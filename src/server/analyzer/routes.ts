import { z } from "zod";
import { TokenlenseError } from "../../errors.js";
import { readJson } from "../../storage/contents.js";
import type { App, Context } from "../app.js";
import { errorSchema } from "../errors.js";
import { repeated } from "../results/schemas.js";
import { Library } from "./library.js";
import { readFile } from "./matrix.js";
import {
  aggregation,
  aggregationOptions,
  aggregations,
  attributionResponse,
  compareResponse,
  detailedResponse,
  importanceResponse,
  modelInfo,
  modelMethodFile,
  modelMethods,
} from "./schemas.js";

const ofModel = { model: z.string() };
const ofMethod = { ...ofModel, method: z.string() };
const ofFile = z.object({ ...ofMethod, fileId: z.coerce.number().int().nonnegative() });
const files = repeated.describe('"model/method/file_id", repeated');
const MOST_FILES = 32;

/** TokenLense's Analyzer: models, methods and files of what is stored, and each file's matrix. */
export function analyzerRoutes(app: App, { catalogue }: Context): void {
  const answers = <Schema extends z.ZodType>(schema: Schema) => ({ 200: schema, default: errorSchema });
  const library = () => Library.of(catalogue);
  const some = async (names: readonly string[]) => {
    const all = await library();
    if (names.length <= MOST_FILES) return names.map((name) => all.named(name));
    throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `files: ${names.length} are more than ${MOST_FILES}.`);
  };
  const timestamp = (name: string) => name.split("_")[0] ?? "";

  app.get(
    "/models/",
    { schema: { tags: ["models"], summary: "Models that there are results of", response: answers(modelInfo) } },
    async () => ({ models: (await library()).models() }),
  );

  app.get(
    "/models/:model/methods",
    {
      schema: {
        tags: ["models"],
        summary: "Methods that there are results by",
        params: z.object(ofModel),
        response: answers(modelMethods),
      },
    },
    async ({ params: { model } }) => ({ model, methods: (await library()).methods(model) }),
  );

  app.get(
    "/models/:model/methods/:method/files",
    {
      schema: {
        tags: ["models"],
        summary: "Files of a model and method; file_id counts them from 0",
        params: z.object(ofMethod),
        querystring: z.object({ include_details: z.stringbool().default(false) }),
        response: answers(modelMethodFile),
      },
    },
    async ({ params: { model, method }, query }) => {
      const entries = (await library()).files(model, method);
      const details = entries.map(({ prompt, target, seconds, name }) => ({
        ...{ prompt, generation: target, exec_time: seconds ?? null, timestamp: timestamp(name) },
      }));
      return {
        model,
        method,
        files: entries.map(({ name }) => name),
        file_details: query.include_details ? details : null,
      };
    },
  );

  app.get(
    "/attribution/aggregation_methods",
    { schema: { tags: ["attribution"], summary: "Aggregations", response: answers(aggregationOptions) } },
    async () => ({ methods: [...aggregations], default: "sum" as const }),
  );

  const query = z.object({ aggregation });

  app.get(
    "/attribution/:model/:method/:fileId",
    {
      schema: {
        tags: ["attribution"],
        summary: "A file's matrix and tokens",
        params: ofFile,
        querystring: query,
        response: answers(attributionResponse),
      },
    },
    async ({ params: { model, method, fileId }, query: { aggregation } }) => {
      const entry = (await library()).file(model, method, fileId);
      const { source_tokens, target_tokens, attribution_matrix } = await readFile(entry, aggregation);
      return {
        ...{ model, method, file_id: fileId, prompt: entry.prompt, generation: entry.target },
        source_tokens: source_tokens.map(({ token }) => token),
        target_tokens: target_tokens.map(({ token }) => token),
        ...{ attribution_matrix, aggregation },
      };
    },
  );

  app.get(
    "/attribution/:model/:method/:fileId/detailed",
    {
      schema: {
        tags: ["attribution"],
        summary: "The same, with token ids and what the matrix was made of",
        params: ofFile,
        querystring: query,
        response: answers(detailedResponse),
      },
    },
    async ({ params: { model, method, fileId }, query: { aggregation } }) => {
      const entry = (await library()).file(model, method, fileId);
      const read = await readFile(entry, aggregation);
      return {
        ...{ model, method, file_id: fileId, prompt: entry.prompt, generation: entry.target },
        ...{ ...read, aggregation, exec_time: entry.seconds ?? 0 },
        original_attribution_shape: read.matrix_info.shape,
      };
    },
  );

  app.get(
    "/attribution/:model/:method/:fileId/raw",
    {
      schema: {
        tags: ["attribution"],
        summary: "What the file holds",
        params: ofFile,
        response: answers(z.record(z.string(), z.unknown())),
      },
    },
    async ({ params: { model, method, fileId } }) => {
      const entry = (await library()).file(model, method, fileId);
      return (await readJson(entry.path)) as Record<string, unknown>;
    },
  );

  app.get(
    "/attribution/compare",
    {
      schema: {
        tags: ["attribution"],
        summary: "Several files' matrices",
        querystring: z.object({ files, aggregation }),
        response: answers(compareResponse),
      },
    },
    async ({ query: { files, aggregation } }) => {
      const results = [];
      for (const entry of await some(files)) {
        const { modelName: model_name, method: attribution_method, seconds, prompt, target: generation, name } = entry;
        results.push({
          metadata: { model_name, attribution_method, exec_time: seconds ?? 0, prompt, generation },
          ...(await readFile(entry, aggregation)),
          ...{ filename: name, timestamp: timestamp(name), aggregation },
        });
      }
      return { results, aggregation, count: results.length };
    },
  );

  app.get(
    "/attribution/token_importance",
    {
      schema: {
        tags: ["attribution"],
        summary: "One token's scores in several files; files without such a token are left out",
        querystring: z.object({
          files,
          token_index: z.coerce.number().int().nonnegative(),
          is_target: z.stringbool().default(true).describe("counted among target_tokens, else among source_tokens"),
          aggregation,
        }),
        response: answers(importanceResponse),
      },
    },
    async ({ query: { files, token_index, is_target, aggregation } }) => {
      const results = [];
      for (const entry of await some(files)) {
        const { source_tokens, target_tokens, attribution_matrix } = await readFile(entry, aggregation);
        const token = (is_target ? target_tokens : source_tokens)[token_index];
        const influences = attribution_matrix[token_index];
        if (!token || !influences) continue;
        results.push({
          ...{ model: entry.modelName, method: entry.method, token, influences },
          sum_influence: influences.reduce((sum, value) => sum + value, 0),
          max_influence: Math.max(...influences),
          filename: entry.name,
        });
      }
      return { token_index, is_target, results, count: results.length, aggregation };
    },
  );
}
