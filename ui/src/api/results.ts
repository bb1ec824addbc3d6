import type { z } from "zod";
import type { comparisonSchema, facets, resultSummary } from "../../../src/server/results/schemas.js";
import type { NativeDocument } from "../../../src/storage/schema.js";
import { type RequestOptions, request, requestJson } from "./request.js";
import { filled } from "./scores.js";

export type { NativeDocument } from "../../../src/storage/schema.js";
export type ResultSummary = z.output<typeof resultSummary>;
export type Comparison = z.output<typeof comparisonSchema>;
export type Facets = z.output<typeof facets>;

export interface Page<Item> {
  items: Item[];
  page: number;
  pageSize: number;
  total: number;
}

export interface ResultsPage extends Page<ResultSummary> {
  /** Of all results, whatever was asked for. */
  facets: Facets;
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
  /** ISO 8601. */
  since?: string | undefined;
  until?: string | undefined;
}

export const resultPath = (id: string): string => `/results/${encodeURIComponent(id)}`;

/** The newest first. */
export const listResults = (query: ResultsQuery, signal?: AbortSignal): Promise<ResultsPage> =>
  requestJson("/results", { query: { ...query }, signal });

/** What a list says of a result. */
export const getSummary = (id: string, signal?: AbortSignal): Promise<ResultSummary> =>
  requestJson(`${resultPath(id)}/summary`, { signal });

/**
 * A result with its scores in `association_matrix`, also where the file keeps them beside.
 * @param sequence Of a file of Inseq's that holds several. Default 0.
 */
export async function getResult(id: string, sequence = 0, signal?: AbortSignal): Promise<NativeDocument> {
  const document = await requestJson<NativeDocument>(resultPath(id), { query: { sequence }, signal });
  if (document.data.association_matrix.length > 0 || !document.tokenlense_native?.scores) return document;
  const scores = await request(`${resultPath(id)}/scores`, { query: { sequence, merged: true }, signal });
  return filled(document, await scores.arrayBuffer());
}

/** A file for inseq.FeatureAttributionOutput.load. */
export async function inseqFile(id: string, sequence = 0): Promise<{ name: string; content: Blob }> {
  const answer = await request(`${resultPath(id)}/inseq`, { query: { sequence } });
  const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
  return { name: name ?? "result_inseq.json", content: await answer.blob() };
}

/** How far 2 to 8 results agree, each pair of them. */
export const compareResults = (ids: readonly string[], topK: number, signal?: AbortSignal): Promise<Comparison> =>
  requestJson("/results/compare", { query: { id: ids, topK }, signal });

/** Stores a file of the native schema or of Inseq's, and gives the ids of what was in it. */
export const importResult = (file: File): Promise<{ ids: string[] }> =>
  requestJson("/results", {
    method: "POST",
    query: { name: file.name },
    body: file,
    headers: { "content-type": file.name.endsWith(".gz") ? "application/gzip" : "application/json" },
  });

export const removeResult = (id: string, options: Pick<RequestOptions, "keepalive"> = {}): Promise<unknown> =>
  requestJson(resultPath(id), { method: "DELETE", ...options });
