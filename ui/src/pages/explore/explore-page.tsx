import { Group, Pagination, Skeleton, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useParams, useSearchParams } from "react-router";
import { getResult, getSummary } from "../../api/results.js";
import { ErrorState } from "../../components/error-state.js";
import { useLensQuery } from "../../components/lens-query.js";
import { PageTitle } from "../../components/page-title.js";
import { TokenLens } from "../../components/token-lens.js";
import { Actions } from "./actions.js";
import { Chooser } from "./chooser.js";
import { Facts } from "./facts.js";

/** A stored result, to be looked at from all sides; without one, what there is to choose among. */
export function ExplorePage() {
  const { id } = useParams();
  return id === undefined ? <Chooser /> : <Explored key={id} id={id} />;
}

function Explored({ id }: { id: string }) {
  const [query, setQuery] = useSearchParams();
  const sequence = Math.max(0, Math.floor(Number(query.get("sequence")) || 0));
  const summary = useQuery({ queryKey: ["results", id], queryFn: ({ signal }) => getSummary(id, signal) });
  const result = useQuery({
    queryKey: ["result", id, sequence],
    queryFn: ({ signal }) => getResult(id, sequence, signal),
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
  });
  const { state, setState } = useLensQuery();
  const results = useMemo(() => (result.data ? [result.data] : undefined), [result.data]);
  const { sequences = 1 } = summary.data ?? {};

  return (
    <>
      <PageTitle
        title="Explore"
        tab={summary.data?.prompt.slice(0, 60)}
        actions={<Actions id={id} sequence={sequence} />}
      >
        <Text size="xs" truncate title={id}>
          {id}
        </Text>
      </PageTitle>
      <Stack gap="md">
        {sequences > 1 && (
          <Group gap="sm">
            <Text size="sm" id="sequences">
              Sequence of the file
            </Text>
            <Pagination
              aria-labelledby="sequences"
              size="sm"
              total={sequences}
              value={sequence + 1}
              onChange={(chosen) =>
                setQuery((before) => {
                  before.set("sequence", String(chosen - 1));
                  return before;
                })
              }
            />
          </Group>
        )}
        {result.error ? (
          <ErrorState
            title="This result cannot be shown"
            error={result.error}
            retry={() => void Promise.all([result.refetch(), summary.refetch()])}
          />
        ) : results ? (
          <div className="framed">
            <TokenLens results={results} state={state} onChange={setState} />
          </div>
        ) : (
          <Skeleton h={520} aria-label="Fetching the result" />
        )}
        {result.data && <Facts id={id} document={result.data} summary={summary.data} />}
      </Stack>
    </>
  );
}
