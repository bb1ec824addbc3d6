import { Button, Card, FileButton, Group, Pagination, Skeleton, Stack, Text } from "@mantine/core";
import { IconBooks, IconFileImport } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { listResults } from "../../api/results.js";
import { compareAddress, MOST_COMPARED } from "../../components/compare-address.js";
import { EmptyState } from "../../components/empty-state.js";
import { ErrorState } from "../../components/error-state.js";
import { counted } from "../../components/format.js";
import { NoResults } from "../../components/no-results.js";
import { PageTitle } from "../../components/page-title.js";
import { useRemoval, useRemoving } from "../../removal/use-removal.js";
import { Damaged } from "./damaged.js";
import { type Filter, Filters, filterKeys } from "./filters.js";
import { ImportZone } from "./import-zone.js";
import { ResultTable } from "./result-table.js";
import { useImport } from "./use-import.js";

const PAGE_SIZE = 25;

/** All that is stored. */
export function LibraryPage() {
  const { filter, page, change, turn } = useFilter();
  const asked = { ...queryOf(filter), page, pageSize: PAGE_SIZE };
  const { data, error, refetch } = useQuery({
    queryKey: ["results", "list", asked],
    queryFn: ({ signal }) => listResults(asked, signal),
    placeholderData: keepPreviousData,
  });
  const removing = useRemoving();
  const remove = useRemoval();
  const imported = useImport();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const items = data?.items.filter(({ id }) => !removing.has(id)) ?? [];
  const total = (data?.total ?? 0) - ((data?.items.length ?? 0) - items.length);
  const narrowed = filterKeys.some((key) => filter[key] !== "");
  const choose = (ids: readonly string[], wanted: boolean) =>
    setChosen(new Set(wanted ? [...chosen, ...ids] : [...chosen].filter((id) => !ids.includes(id))));
  const removeAll = (ids: readonly string[]) => {
    choose(ids, false);
    remove(ids);
  };

  return (
    <>
      <PageTitle
        title="Library"
        actions={
          <FileButton onChange={(files) => imported.mutate(files)} accept=".json,.gz" multiple>
            {(props) => (
              <Button
                {...props}
                variant="default"
                leftSection={<IconFileImport size={17} aria-hidden />}
                loading={imported.isPending}
              >
                Import
              </Button>
            )}
          </FileButton>
        }
      >
        {data ? `${counted(total, "result")}${narrowed ? " found" : ""}` : "Results by model and method"}
      </PageTitle>
      <ImportZone onFiles={(files) => imported.mutate(files)} />
      <Stack gap="md">
        {(narrowed || (data?.facets.models.length ?? 0) > 0) && (
          <Filters filter={filter} facets={data?.facets} onChange={change} />
        )}
        {error && <ErrorState title="The results cannot be listed" error={error} retry={() => void refetch()} />}
        {data && <Damaged items={data.damaged.filter(({ id }) => !removing.has(id))} onRemove={remove} />}
        {!data && !error && <Skeleton h={360} aria-label="Fetching results" />}
        {data && items.length === 0 && <Nothing narrowed={narrowed} />}
        {items.length > 0 && (
          <Card withBorder padding={0}>
            <ResultTable items={items} chosen={chosen} onChoose={choose} onRemove={(id) => removeAll([id])} />
          </Card>
        )}
        {data && data.total > PAGE_SIZE && (
          <Group justify="center">
            <Pagination
              total={Math.ceil(data.total / PAGE_SIZE)}
              value={page}
              onChange={turn}
              getControlProps={(control) => ({ "aria-label": `${control} page` })}
            />
          </Group>
        )}
      </Stack>
      {chosen.size > 0 && <Chosen ids={[...chosen]} onRemove={removeAll} onClear={() => setChosen(new Set())} />}
    </>
  );
}

function Nothing({ narrowed }: { narrowed: boolean }) {
  const icon = <IconBooks size={40} stroke={1.3} aria-hidden />;
  if (narrowed)
    return (
      <EmptyState title="Nothing is like this" icon={icon}>
        No stored result meets all of these conditions: take one away.
      </EmptyState>
    );
  return (
    <NoResults icon={icon}>Attribute a text, or drop files of TokenLense's or Inseq's anywhere on this page.</NoResults>
  );
}

interface ChosenProps {
  ids: readonly string[];
  onRemove: (ids: readonly string[]) => void;
  onClear: () => void;
}

/** What can be done with the results that are chosen. */
function Chosen({ ids, onRemove, onClear }: ChosenProps) {
  const navigate = useNavigate();
  const comparable = ids.length >= 2 && ids.length <= MOST_COMPARED;
  return (
    <Card withBorder shadow="md" padding="sm" className="bar" role="region" aria-label="Chosen results">
      <Group justify="space-between" gap="sm">
        <Text size="sm" fw={500} role="status">
          {ids.length} chosen
          {!comparable && (
            <Text span c="dimmed" inherit fw={400}>
              ; 2 to {MOST_COMPARED} can be compared
            </Text>
          )}
        </Text>
        <Group gap="xs">
          <Button size="xs" disabled={!comparable} onClick={() => navigate(compareAddress(ids))}>
            Compare
          </Button>
          <Button size="xs" variant="default" onClick={() => onRemove(ids)}>
            Delete
          </Button>
          <Button size="xs" variant="subtle" onClick={onClear}>
            Clear
          </Button>
        </Group>
      </Group>
    </Card>
  );
}

function useFilter() {
  const [query, setQuery] = useSearchParams();
  const filter = Object.fromEntries(filterKeys.map((key) => [key, query.get(key) ?? ""])) as unknown as Filter;
  const page = Math.max(1, Math.floor(Number(query.get("page")) || 1));
  const change = (changes: Record<string, string | undefined>) =>
    setQuery(
      (before) => {
        for (const [key, value] of Object.entries(changes))
          if (value) before.set(key, value);
          else before.delete(key);
        return before;
      },
      { replace: true },
    );
  return {
    filter,
    page,
    change: (changes: Partial<Filter>) => change({ ...changes, page: undefined }),
    turn: (to: number) => change({ page: to > 1 ? String(to) : undefined }),
  };
}

/** Days begin and end where the reader is. */
function queryOf({ text, model, method, since, until }: Filter) {
  const time = (day: string, clock: string) => {
    const at = new Date(`${day}T${clock}`);
    return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
  };
  return {
    ...{ text: text || undefined, model: model || undefined, method: method || undefined },
    ...{ since: time(since, "00:00:00"), until: time(until, "23:59:59.999") },
  };
}
