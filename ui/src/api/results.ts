import type { z } from "zod";
import type { comparisonSchema, resultSummary } from "../../../src/server/results/schemas.js";
import type { NativeDocument } from "../../../src/storage/schema.js";
import { requestJson } from "./request.js";

export type { NativeDocument } from "../../../src/storage/schema.js";
export type ResultSummary = z.output<typeof resultSummary>;
export type Comparison = z.output<typeof comparisonSchema>;

export interface Page<Item> {
  items: Item[];
  page: number;
  pageSize: number;
  total: number;
}

export interface ResultsPage extends Page<ResultSummary> {
  damaged: { id: string; code: string; message: string }[];
}

export interface ResultsQuery {
  page?: number;
  pageSize?: number;
  /** A part of the model's name. */
  model?: string | undefined;
  method?: string | undefined;
  /** A part of the prompt. */
  text?: string | undefined;
}

export const resultPath = (id: string): string => `/results/${encodeURIComponent(id)}`;

/** The newest first. */
export const listResults = (query: ResultsQuery, signal?: AbortSignal): Promise<ResultsPage> =>
  requestJson("/results", { query: { ...query }, signal });

export const getResult = (id: string, signal?: AbortSignal): Promise<NativeDocument> =>
  requestJson(resultPath(id), { signal });

/** How far 2 to 8 results agree, each pair of them. */
export const compareResults = (ids: readonly string[], topK: number, signal?: AbortSignal): Promise<Comparison> =>
  requestJson("/results/compare", { query: { id: ids, topK }, signal });
