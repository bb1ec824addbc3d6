import type { z } from "zod";
import type {
  AggregationName,
  attributionResponse,
  compareResponse,
  detailedResponse,
  importanceResponse,
  modelInfo,
  modelMethodFile,
  modelMethods,
} from "../../../src/server/analyzer/schemas.js";
import { requestJson } from "./request.js";

export type { AggregationName };
export type AttributionResponse = z.output<typeof attributionResponse>;
export type DetailedResponse = z.output<typeof detailedResponse>;
export type CompareResponse = z.output<typeof compareResponse>;
export type ImportanceResponse = z.output<typeof importanceResponse>;
export type ModelMethodFiles = z.output<typeof modelMethodFile>;

/** A stored file as the Analyzer names it; `fileId` is its place among those of the model and method. */
export interface FileName {
  model: string;
  method: string;
  fileId: number;
}

const encode = (...parts: (string | number)[]) => parts.map((part) => encodeURIComponent(part)).join("/");

/** Models that there are results of. */
export const storedModels = (signal?: AbortSignal): Promise<z.output<typeof modelInfo>> =>
  requestJson("/models/", { signal });

/** Methods that there are results by, of a model. */
export const storedMethods = (model: string, signal?: AbortSignal): Promise<z.output<typeof modelMethods>> =>
  requestJson(`/models/${encode(model)}/methods`, { signal });

/** Files of a model and method, with their prompts. */
export const storedFiles = (model: string, method: string, signal?: AbortSignal): Promise<ModelMethodFiles> =>
  requestJson(`/models/${encode(model)}/methods/${encode(method)}/files`, {
    query: { include_details: true },
    signal,
  });

/** A file's matrix and tokens. */
export const attributionOf = (
  { model, method, fileId }: FileName,
  aggregation: AggregationName,
  signal?: AbortSignal,
): Promise<DetailedResponse> =>
  requestJson(`/attribution/${encode(model, method, fileId)}/detailed`, { query: { aggregation }, signal });

/** One token's scores in several files; those without such a token are left out. */
export const tokenImportance = (
  files: readonly FileName[],
  token: { index: number; isTarget: boolean },
  aggregation: AggregationName,
  signal?: AbortSignal,
): Promise<ImportanceResponse> =>
  requestJson("/attribution/token_importance", {
    query: {
      files: files.map(({ model, method, fileId }) => `${model}/${method}/${fileId}`),
      token_index: token.index,
      is_target: token.isTarget,
      aggregation,
    },
    signal,
  });
