import { Anchor, Card, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "react-router";
import { listJobs } from "../../api/jobs.js";
import type { NativeDocument, ResultSummary } from "../../api/results.js";
import { bytes, duration, moment } from "../../components/format.js";

interface FactsProps {
  id: string;
  document: NativeDocument;
  summary: ResultSummary | undefined;
}

const phases: Readonly<Record<string, string>> = { generate: "Generating", attribute: "Attributing" };

type Row = readonly [name: string, value: ReactNode];

/** What a result is, and how it came about. */
export function Facts({ id, document, summary }: FactsProps) {
  const { metadata, data, tokenlense_native: ours } = document;
  const job = useJobOf(id);
  const { stats, timings = {}, versions = {} } = ours ?? {};
  const options = Object.entries(job?.request.options ?? {});
  const tables: readonly (readonly [string, readonly Row[]])[] = [
    [
      "Attribution",
      [
        ["Model", metadata.llm_id],
        ["Method", metadata.attribution_method ?? "unknown"],
        ...options.map(([name, value]): Row => [name, typeof value === "string" ? value : JSON.stringify(value)]),
        ["Step function", ours?.step ?? "unknown"],
        ["Step scores", Object.keys(data.step_scores ?? {}).join(", ") || "none"],
        ["Made", moment(metadata.timestamp)],
        ...(job ? [["Job", <Again key="job" id={job.id} />] as const] : []),
      ],
    ],
    [
      "Text",
      [
        ["Prompt", `${data.input_tokens.length} tokens`],
        ["Outputs", `${data.output_tokens.length} tokens`],
        ["Scores", (data.raw_dimensions ?? []).join(" × ") || "unknown"],
        ...Object.entries(metadata.generation_params).map(([name, value]): Row => [name.replaceAll("_", " "), value]),
        ["File", `${summary?.format === "inseq" ? "Inseq" : "native"}, version ${metadata.version}`],
      ],
    ],
    [
      "Work",
      [
        ...Object.entries(timings).map(([phase, seconds]): Row => [phases[phase] ?? phase, duration(seconds)]),
        ...(stats
          ? [
              ["Engine", stats.engine] as const,
              ["Arithmetic", `${(stats.flops / 1e9).toPrecision(3)} GFLOP`] as const,
              ["Working memory", bytes(stats.plannedBytes)] as const,
            ]
          : []),
        ...Object.entries(versions),
      ],
    ],
  ];
  return (
    <section aria-label="About this result">
      <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
        {tables
          .filter(([, rows]) => rows.length > 0)
          .map(([title, rows]) => (
            <Card key={title} withBorder padding="md">
              <Title order={2} fz="sm" mb={6}>
                {title}
              </Title>
              <Table variant="vertical" withRowBorders={false} fz="sm" verticalSpacing={3} horizontalSpacing={0}>
                <Table.Tbody>
                  {rows.map(([name, value]) => (
                    <Table.Tr key={name}>
                      <Table.Th
                        scope="row"
                        w="42%"
                        fw={400}
                        c="dimmed"
                        bg="transparent"
                        style={{ verticalAlign: "top" }}
                      >
                        {name}
                      </Table.Th>
                      <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Card>
          ))}
      </SimpleGrid>
    </section>
  );
}

function Again({ id }: { id: string }) {
  return (
    <Text size="sm">
      <Anchor component={Link} to={`/new?job=${id}`} inherit underline="always">
        change and run again
      </Anchor>
    </Text>
  );
}

/** Its job, where the server remembers that: documents do not hold a method's options. */
function useJobOf(result: string) {
  const { data } = useQuery({
    queryKey: ["jobs", "of", result],
    queryFn: ({ signal }) => listJobs({ pageSize: 200 }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return data?.items.find((job) => job.result === result);
}
