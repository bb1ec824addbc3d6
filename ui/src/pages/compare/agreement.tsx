import { Card, Group, NumberInput, Skeleton, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearchParams } from "react-router";
import { agreementTexts } from "../../../../src/viz/agreement.js";
import { ChartFigure } from "../../components/chart-figure.js";
import { ErrorState } from "../../components/error-state.js";
import { TextTable } from "../../components/text-table.js";
import { agreementChart, pairName } from "./agreement-chart.js";
import { agreementQuery, DEFAULT_TOP, readTop } from "./agreement-query.js";

/** How far results agree, each pair of them. */
export function Agreement({ ids }: { ids: readonly string[] }) {
  const [query, setQuery] = useSearchParams();
  const top = readTop(query);
  const { data, error, refetch } = useAgreement(ids, top);
  if (error) return <ErrorState title="They cannot be compared" error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton h={160} aria-label="Comparing" />;
  const setTop = (value: number) =>
    setQuery(
      (before) => {
        if (value === DEFAULT_TOP) before.delete("overlap");
        else before.set("overlap", String(value));
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  return (
    <Card component="section" withBorder padding="md" aria-labelledby="agreement">
      <Group justify="space-between" align="flex-start" gap="sm" mb="xs">
        <div style={{ flex: "1 1 260px" }}>
          <Title order={2} fz="md" id="agreement">
            Agreement
          </Title>
          <Text size="sm" c="dimmed">
            Correlations of the scores, and the share of the largest that both name: means over the outputs that both
            have.
          </Text>
        </div>
        <NumberInput
          label="Overlap of top"
          w={120}
          min={1}
          max={1000}
          allowDecimal={false}
          clampBehavior="strict"
          value={top}
          onChange={(value) => setTop(Math.max(1, Number(value) || 1))}
        />
      </Group>
      <TextTable
        label="Agreement, table"
        names={1}
        rows={[
          ["pair", "outputs", "Pearson", "Spearman", `top ${top}`],
          ...data.pairs.map((pair) => [pairName(pair), ...agreementTexts(pair)]),
        ]}
      />
      {data.pairs.every(({ outputs }) => outputs.length === 0) && (
        <Text size="sm" mt="xs">
          Their texts have no output in common, so there is nothing to take figures over.
        </Text>
      )}
    </Card>
  );
}

/** The same at each output, where there is one that two of them have. */
export function OutputAgreement({ ids }: { ids: readonly string[] }) {
  const [query] = useSearchParams();
  const { data } = useAgreement(ids, readTop(query));
  const chart = useMemo(() => data && agreementChart(data.pairs), [data]);
  return chart && <ChartFigure chart={chart} />;
}

const useAgreement = (ids: readonly string[], top: number) =>
  useQuery({ ...agreementQuery(ids, top), placeholderData: keepPreviousData });
