import { compareResults } from "../../api/results.js";

export const DEFAULT_TOP = 3;

/** Of how many of an output's scores the overlap is, as the address has it. */
export const readTop = (query: URLSearchParams): number =>
  Math.min(1000, Math.max(1, Math.floor(Number(query.get("overlap")) || DEFAULT_TOP)));

export const agreementQuery = (ids: readonly string[], top: number) => ({
  queryKey: ["results", "compare", ids, top],
  queryFn: ({ signal }: { signal: AbortSignal }) => compareResults(ids, top, signal),
});
