import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { getJob, isOpen, type JobView, watchJob } from "../../api/jobs.js";
import { ApiError } from "../../api/request.js";

/** Milliseconds until a stream that broke off is asked for again. */
const PAUSE = 2000;

export const jobKey = (id: string) => ["jobs", id] as const;

/** A job, kept up to date by the server's events until it has ended. */
export function useJob(id: string) {
  const queries = useQueryClient();
  const query = useQuery({ queryKey: jobKey(id), queryFn: ({ signal }) => getJob(id, signal) });
  const { data, error } = query;
  const open = data !== undefined && isOpen(data) && error === null;
  useEffect(() => {
    if (!open) return;
    const leaving = new AbortController();
    const { signal } = leaving;
    const watch = async () => {
      while (!signal.aborted) {
        try {
          for await (const job of watchJob(id, signal)) {
            queries.setQueryData<JobView>(jobKey(id), job);
            if (isOpen(job)) continue;
            void queries.invalidateQueries({ queryKey: ["jobs", "list"] });
            void queries.invalidateQueries({ queryKey: ["results"] });
            return;
          }
        } catch (thrown) {
          if (signal.aborted || (thrown instanceof ApiError && thrown.status > 0)) break;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
      // Refused: what is wrong is said by the job itself.
      if (!signal.aborted) void queries.invalidateQueries({ queryKey: jobKey(id) });
    };
    void watch();
    return () => leaving.abort();
  }, [id, open, queries]);
  return query;
}
