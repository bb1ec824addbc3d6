import { EventSourceParserStream } from "eventsource-parser/stream";
import type { JobView } from "../../../src/server/jobs/job.js";
import type { AttributionRequest } from "./attribution-request.js";
import { request, requestJson } from "./request.js";
import type { Page } from "./results.js";

export type { JobView } from "../../../src/server/jobs/job.js";

const path = (id: string) => `/attributions/${encodeURIComponent(id)}`;

export const submitJob = (body: AttributionRequest): Promise<JobView> =>
  requestJson("/attributions", { method: "POST", body });

/** The newest first. */
export const listJobs = (query: { page?: number; pageSize?: number }, signal?: AbortSignal): Promise<Page<JobView>> =>
  requestJson("/attributions", { query, signal });

export const getJob = (id: string, signal?: AbortSignal): Promise<JobView> => requestJson(path(id), { signal });

export const cancelJob = (id: string): Promise<JobView> => requestJson(path(id), { method: "DELETE" });

export const isOpen = ({ state }: JobView): boolean => state === "queued" || state === "running";

/**
 * A job's course until it has ended: its newest state, over and over. Read with fetch, as EventSource sends no token.
 * @throws ApiError, and what fetch throws when `signal` fires.
 */
export async function* watchJob(id: string, signal: AbortSignal): AsyncGenerator<JobView, void, undefined> {
  const { body } = await request(`${path(id)}/events`, { headers: { accept: "text/event-stream" }, signal });
  if (!body) return;
  const events = body.pipeThrough(new TextDecoderStream() as never).pipeThrough(new EventSourceParserStream());
  const reader = events.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield JSON.parse(value.data) as JobView;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
