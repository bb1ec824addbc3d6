import { Alert, Loader, Stack } from "@mantine/core";
import { IconStopwatch } from "@tabler/icons-react";
import { useQueries, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { charts } from "../../../../src/bench/charts.js";
import { getRun, listRuns, type RunList, timings } from "../../api/performance.js";
import { ChartFigure } from "../../components/chart-figure.js";
import { EmptyState } from "../../components/empty-state.js";
import { ErrorState } from "../../components/error-state.js";
import { PageTitle } from "../../components/page-title.js";
import { RunChoice } from "./run-choice.js";
import { HowToRun, RunNotes } from "./run-notes.js";
import { STORED, storedMarks } from "./stored-times.js";

export function PerformancePage() {
  const runs = useQuery({ queryKey: ["runs"], queryFn: ({ signal }) => listRuns(signal) });
  const stored = useQuery({ queryKey: ["timings"], queryFn: ({ signal }) => timings(signal) });
  const error = runs.error ?? stored.error;
  return (
    <>
      <PageTitle title="Performance">How fast each method is, on which model and machine, and how faithful.</PageTitle>
      {error && (
        <ErrorState
          title="The measurements cannot be listed"
          error={error}
          retry={() => void Promise.all([runs.refetch(), stored.refetch()])}
        />
      )}
      {!error && !(runs.data && stored.data) && <Loader aria-label="Looking for measurements" />}
      {runs.data && stored.data && <Measurements list={runs.data} times={stored.data} />}
    </>
  );
}

interface MeasurementsProps {
  list: RunList;
  times: Parameters<typeof storedMarks>[0];
}

function Measurements({ list, times }: MeasurementsProps) {
  const marks = useMemo(() => storedMarks(times), [times]);
  const known = [...list.runs.map(({ id }) => id), ...(marks.length > 0 ? [STORED] : [])];
  const [search, setSearch] = useSearchParams();
  const named = search.getAll("run").filter((id) => known.includes(id));
  const chosen = search.has("run") ? named : known.slice(0, 1);
  const choose = (ids: string[]) =>
    setSearch(new URLSearchParams(ids.length > 0 ? ids.map((id) => ["run", id]) : [["run", ""]]), { replace: true });
  if (known.length === 0)
    return (
      <Stack>
        <RunNotes {...list} />
        <EmptyState title="Nothing has been measured yet" icon={<IconStopwatch size={40} stroke={1.4} aria-hidden />}>
          <HowToRun />
        </EmptyState>
      </Stack>
    );
  return (
    <Stack>
      {list.runs.length === 0 && (
        <Alert variant="light" color="gray" title="Only the times of stored results are known">
          <HowToRun />
        </Alert>
      )}
      <RunNotes {...list} />
      <RunChoice runs={list.runs} timed={marks.length} chosen={chosen} onChange={choose} />
      <Charts ids={chosen.filter((id) => id !== STORED)} others={chosen.includes(STORED) ? marks : none} />
    </Stack>
  );
}

const none: ReturnType<typeof storedMarks> = [];

function Charts({ ids, others }: { ids: readonly string[]; others: ReturnType<typeof storedMarks> }) {
  const { reports, error, pending } = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["runs", id],
      queryFn: ({ signal }: { signal: AbortSignal }) => getRun(id, signal),
    })),
    combine: (answers) => ({
      reports: answers.flatMap(({ data }) => data ?? []),
      error: answers.find((answer) => answer.error)?.error,
      pending: answers.some(({ isPending }) => isPending),
    }),
  });
  const drawn = useMemo(() => (pending ? [] : charts(reports, others)), [reports, others, pending]);
  if (error) return <ErrorState title="A run cannot be read" error={error} />;
  if (pending) return <Loader aria-label="Reading the runs" />;
  if (drawn.length === 0)
    return (
      <EmptyState title={ids.length + others.length === 0 ? "No run is chosen" : "Nothing in it was measured"}>
        Choose a run above.
      </EmptyState>
    );
  return (
    <div style={{ columns: "560px 2" }}>
      {drawn.map((chart) => (
        <div key={chart.title} style={{ breakInside: "avoid", paddingBottom: "var(--mantine-spacing-md)" }}>
          <ChartFigure chart={chart} />
        </div>
      ))}
    </div>
  );
}
