import { Button, Group, Skeleton, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconChartBar, IconDownload } from "@tabler/icons-react";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type ImportanceList, importanceOf } from "../../api/importance.js";
import { listResults } from "../../api/results.js";
import { ChartFigure } from "../../components/chart-figure.js";
import { csvOf } from "../../components/csv.js";
import { EmptyState } from "../../components/empty-state.js";
import { ErrorState } from "../../components/error-state.js";
import { counted } from "../../components/format.js";
import { NoResults } from "../../components/no-results.js";
import { PageTitle } from "../../components/page-title.js";
import { saveFile } from "../../components/save-file.js";
import { bars } from "./bars.js";
import { chosen, type Wish } from "./chosen.js";
import { Controls } from "./controls.js";
import type { Figure } from "./figures.js";
import { TokenTable } from "./token-table.js";
import { useChoice } from "./use-choice.js";

export function ImportancePage() {
  const [choice, change] = useChoice();
  const { text, model, method, part, unit } = choice;
  const query = {
    ...{ text: text || undefined, model: model || undefined, method: method || undefined },
    ...{ part, unit },
  };
  const known = useQuery({
    queryKey: ["results", "list", { pageSize: 1 }],
    queryFn: ({ signal }) => listResults({ pageSize: 1 }, signal),
  });
  const { data, error, refetch } = useQuery({
    queryKey: ["importance", query],
    queryFn: ({ signal }) => importanceOf(query, signal),
    placeholderData: keepPreviousData,
  });
  const none = known.data?.facets.models.length === 0;
  return (
    <>
      <PageTitle title="Token importance">Which tokens outputs lean on, over all stored results or some.</PageTitle>
      {none ? (
        <NoResults icon={<IconChartBar size={40} stroke={1.4} aria-hidden />}>
          Attribute some texts, or bring results to the library: their tokens are then counted here.
        </NoResults>
      ) : (
        <Stack>
          <Controls choice={choice} facets={known.data?.facets} onChange={change} />
          {error ? (
            <ErrorState title="The results cannot be read" error={error} retry={() => void refetch()} />
          ) : data ? (
            <Found list={data} wish={choice} onSort={(by) => change({ by })} />
          ) : (
            <Skeleton h={420} aria-label="Reading the results" />
          )}
        </Stack>
      )}
    </>
  );
}

function Found({ list, wish, onSort }: { list: ImportanceList; wish: Wish; onSort: (by: Figure) => void }) {
  const [token] = useDebouncedValue(wish.token, 150);
  const { by, least, words } = wish;
  const items = useMemo(() => chosen(list.items, { by, least, words, token }), [list, by, least, words, token]);
  const chart = useMemo(() => bars(items, by), [items, by]);
  if (items.length === 0)
    return <EmptyState title="No such token">No result, or none of its tokens, is what you asked for.</EmptyState>;
  const csv = () =>
    csvOf([
      ["token", "total", "mean", "most", "lift", "places", "results"],
      ...items.map(({ token, total, mean, most, lift, occurrences, results }) => [
        token,
        ...[total, mean, most, lift, occurrences, results].map(String),
      ]),
    ]);
  return (
    <>
      <ChartFigure chart={chart} />
      <Group justify="space-between" gap="sm">
        <Text size="sm" c="dimmed" role="status">
          {about(list, items.length)}
        </Text>
        <Button
          variant="default"
          size="xs"
          leftSection={<IconDownload size={16} aria-hidden />}
          onClick={() => saveFile("token-importance.csv", csv())}
        >
          All as CSV
        </Button>
      </Group>
      <TokenTable items={items} by={by} onSort={onSort} />
    </>
  );
}

function about({ results, matching, tokens, items, damaged }: ImportanceList, shown: number): string {
  return [
    `${counted(shown, "token")} of ${counted(results, "result")}`,
    ...(matching > results + damaged.length ? [`the newest of ${matching.toLocaleString("en")}`] : []),
    ...(tokens > items.length ? [`the ${items.length.toLocaleString("en")} of largest total are looked at`] : []),
    ...(damaged.length > 0 ? [`${counted(damaged.length, "result")} could not be read`] : []),
  ].join("; ");
}
