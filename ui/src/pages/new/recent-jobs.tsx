import { Badge, Card, Group, Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { isOpen, type JobView, listJobs } from "../../api/jobs.js";
import { moment } from "../../components/format.js";
import { stateColours } from "./job-panel.js";

interface RecentJobsProps {
  /** The one that is shown. */
  current: string | null;
  onChoose: (id: string) => void;
}

/** The newest jobs, of everybody who uses this server. */
export function RecentJobs({ current, onChoose }: RecentJobsProps) {
  const { data } = useQuery({
    queryKey: ["jobs", "list"],
    queryFn: ({ signal }) => listJobs({ pageSize: 8 }, signal),
    // While something goes on it may change without this page's doing.
    refetchInterval: ({ state }) => (state.data?.items.some(isOpen) ? 3000 : false),
  });
  if (!data || data.items.length === 0) return null;
  return (
    <section aria-labelledby="recent-jobs">
      <Title order={2} fz="md" mb="xs" id="recent-jobs">
        Recent jobs
      </Title>
      <Card withBorder padding={4}>
        <Stack gap={2} component="ul" m={0} p={0} style={{ listStyle: "none" }}>
          {data.items.map((job) => (
            <li key={job.id}>
              <Row job={job} current={job.id === current} onChoose={() => onChoose(job.id)} />
            </li>
          ))}
        </Stack>
      </Card>
    </section>
  );
}

function Row({ job, current, onChoose }: { job: JobView; current: boolean; onChoose: () => void }) {
  const { request, state, created } = job;
  const text = request.prompt ?? request.messages?.at(-1)?.content ?? "";
  return (
    <UnstyledButton className="row" w="100%" px="sm" py={8} onClick={onChoose} aria-current={current}>
      <Group justify="space-between" wrap="nowrap" gap="sm">
        <div style={{ minWidth: 0 }}>
          <Text size="sm" truncate>
            {text}
          </Text>
          <Text size="xs" c="dimmed" truncate>
            {request.method} · {request.model} · {moment(created)}
          </Text>
        </div>
        <Badge color={stateColours[state]} variant="light" size="sm" style={{ flexShrink: 0 }}>
          {state}
        </Badge>
      </Group>
    </UnstyledButton>
  );
}
