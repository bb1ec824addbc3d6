import { Badge, Box, Button, Card, Group, Progress, Stack, Text } from "@mantine/core";
import { useScrollIntoView } from "@mantine/hooks";
import { IconArrowRight, IconX } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link } from "react-router";
import { cancelJob, isOpen, type JobView } from "../../api/jobs.js";
import { ErrorState } from "../../components/error-state.js";
import { bytes, counted, duration } from "../../components/format.js";
import { JobResult } from "./job-result.js";
import { usePace } from "./pace.js";
import { jobKey, useJob } from "./use-job.js";

/** A job: its place in the queue, how far it is, and what came of it. */
export function JobPanel({ id }: { id: string }) {
  const { data: job, error, refetch } = useJob(id);
  const { scrollIntoView, targetRef } = useScrollIntoView<HTMLDivElement>({ offset: 72, duration: 300 });
  // One that was asked for just now, which lies below the form; after a reload the page stays where it was.
  const [fresh] = useState(job !== undefined && isOpen(job));
  useEffect(() => {
    if (fresh) scrollIntoView({ alignment: "start" });
  }, [fresh, scrollIntoView]);
  if (error && !job)
    return <ErrorState title="There is no such job to be seen" error={error} retry={() => void refetch()} />;
  if (!job) return null;
  return (
    <section aria-label="Job" ref={targetRef}>
      <Card withBorder padding="lg">
        <Stack gap="md">
          <Head job={job} />
          {isOpen(job) && <Course job={job} />}
          {job.state === "failed" && (
            <ErrorState title="The job failed" error={job.error ?? new Error("Why was not recorded.")} />
          )}
          {job.state === "cancelled" && (
            <Text size="sm" c="dimmed">
              It was cancelled. The form still has its text: change what you like, and run it again.
            </Text>
          )}
        </Stack>
      </Card>
      {job.state === "done" && job.result !== undefined && (
        <Box mt="md">
          <JobResult id={job.result} />
        </Box>
      )}
    </section>
  );
}

export const stateColours = {
  ...{ queued: "gray", running: "lens", done: "lens", failed: "red", cancelled: "gray" },
} as const;

function Head({ job }: { job: JobView }) {
  const { request, state, result, started, ended } = job;
  const seconds = started && ended ? (Date.parse(ended) - Date.parse(started)) / 1000 : undefined;
  return (
    <Group justify="space-between" gap="sm">
      <Group gap="sm" role="status">
        <Badge color={stateColours[state]} variant={state === "done" ? "filled" : "light"}>
          {state}
        </Badge>
        <Text size="sm">
          {request.method} by {request.model}
          {seconds !== undefined && `, ${duration(seconds)}`}
        </Text>
      </Group>
      {isOpen(job) && <Cancel job={job} />}
      {state === "done" && result !== undefined && (
        <Button
          component={Link}
          to={`/explore/${encodeURIComponent(result)}`}
          rightSection={<IconArrowRight size={17} aria-hidden />}
          size="sm"
        >
          Explore
        </Button>
      )}
    </Group>
  );
}

function Cancel({ job: { id } }: { job: JobView }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => cancelJob(id),
    onSuccess: (job) => {
      queries.setQueryData(jobKey(id), job);
      void queries.invalidateQueries({ queryKey: ["jobs", "list"] });
    },
  });
  return (
    <Button
      variant="default"
      size="sm"
      leftSection={<IconX size={16} aria-hidden />}
      loading={cancel.isPending}
      onClick={() => cancel.mutate()}
    >
      Cancel
    </Button>
  );
}

const titles: Readonly<Record<string, string>> = {
  wait: "Waiting for another process that prepares the same model",
  download: "Downloading the model",
  verify: "Checking the model",
  build: "Building the model",
  load: "Loading the model",
  generate: "Generating",
  attribute: "Attributing",
};

function Course({ job: { state, position = 0, progress } }: { job: JobView }) {
  const pace = usePace(progress);
  if (state === "queued")
    return (
      <Text size="sm">
        {position === 0 ? "It is the next in the queue." : `${counted(position, "job")} before it in the queue.`}
      </Text>
    );
  const { phase = "", done = 0, total = 0, unit, target } = progress ?? {};
  const amount = (value: number) => (unit === "bytes" ? bytes(value) : value.toLocaleString("en"));
  const share = total > 0 ? (100 * done) / total : undefined;
  const title = titles[phase] ?? (phase || "Beginning");
  return (
    <Stack gap={6}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={500}>
          {title}
        </Text>
        <Text size="sm" c="dimmed" style={{ fontVariantNumeric: "tabular-nums" }}>
          {total > 0 && `${amount(done)} of ${amount(total)}`}
          {pace && done < total && `, ${rateOf(pace.rate, unit)}, ${duration(pace.left)} left`}
        </Text>
      </Group>
      <Progress
        value={share ?? 100}
        animated={share === undefined}
        transitionDuration={200}
        size="lg"
        aria-label={title}
      />
      {target !== undefined && (
        <Box mt="xs">
          <Text size="sm" c="dimmed">
            What is attributed
          </Text>
          <Text
            component="blockquote"
            dir="auto"
            m={0}
            mah={240}
            style={{ whiteSpace: "pre-wrap", overflow: "auto" }}
            tabIndex={0}
          >
            {target}
          </Text>
        </Box>
      )}
    </Stack>
  );
}

function rateOf(perSecond: number, unit: string | undefined): string {
  if (unit === "bytes") return `${bytes(perSecond)}/s`;
  return perSecond >= 1 ? `${perSecond.toFixed(1)} per second` : `${(60 * perSecond).toFixed(1)} per minute`;
}
