import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { getResult } from "../../api/results.js";
import { ErrorState } from "../../components/error-state.js";
import { TokenLens } from "../../components/token-lens.js";

/** What a job came to. */
export function JobResult({ id }: { id: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ["result", id, 0],
    queryFn: ({ signal }) => getResult(id, 0, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const results = useMemo(() => (data ? [data] : undefined), [data]);
  if (error) return <ErrorState title="The result cannot be shown" error={error} retry={() => void refetch()} />;
  if (!results) return <Loader aria-label="Fetching the result" />;
  return (
    <div className="framed">
      <TokenLens results={results} />
    </div>
  );
}
