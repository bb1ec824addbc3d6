import { Button, Card, Grid, Group, Kbd, Stack, Text } from "@mantine/core";
import { type UseFormReturnType, useForm } from "@mantine/form";
import { getHotkeyHandler } from "@mantine/hooks";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type RefObject, useEffect, useRef } from "react";
import { useSearchParams } from "react-router";
import { getJob, submitJob } from "../../api/jobs.js";
import { listMethods } from "../../api/methods.js";
import { loadableModels } from "../../api/models.js";
import { ErrorState } from "../../components/error-state.js";
import { PageTitle } from "../../components/page-title.js";
import { type Draft, emptyDraft, faultsOf, fromRequest, toRequest } from "./draft.js";
import { JobPanel } from "./job-panel.js";
import { MethodFields, ModelField, StepFields } from "./method-fields.js";
import { RecentJobs } from "./recent-jobs.js";
import { EndingFields, PromptFields } from "./text-fields.js";
import { jobKey } from "./use-job.js";

const examples = ["The capital of France is", "If it rains tomorrow, we will", "Two plus two equals"];

/** A text, a model and a method: from these a job, and from this a result. */
export function NewPage() {
  const [query, setQuery] = useSearchParams();
  const job = query.get("job");
  const queries = useQueryClient();
  const methods = useQuery({ queryKey: ["methods"], queryFn: ({ signal }) => listMethods(signal) });
  const models = useQuery({ queryKey: ["models"], queryFn: ({ signal }) => loadableModels(signal) });
  const contrastive = methods.data?.steps.filter((step) => step.contrastive).map(({ name }) => name) ?? [];
  const form = useForm<Draft>({ initialValues: emptyDraft, validate: (draft) => faultsOf(draft, contrastive) });
  const filled = useFilled(form, job);

  // A model that was given to the server is what its owner means to look at.
  const first = models.data?.models[0]?.name;
  const { model } = form.values;
  useEffect(() => {
    if (first !== undefined && model === "") form.setFieldValue("model", first);
  }, [first, model, form.setFieldValue]);

  const submit = useMutation({
    mutationFn: (draft: Draft) => submitJob(toRequest(draft, contrastive)),
    onSuccess: (accepted) => {
      filled.current = accepted.id;
      queries.setQueryData(jobKey(accepted.id), accepted);
      void queries.invalidateQueries({ queryKey: ["jobs", "list"] });
      setQuery({ job: accepted.id });
    },
  });
  const run = form.onSubmit((draft) => submit.mutate(draft));

  return (
    <>
      <PageTitle title="New attribution">Which tokens did an answer lean on? Ask a model, and look.</PageTitle>
      <form onSubmit={run} onKeyDown={getHotkeyHandler([["mod+Enter", () => run()]])} noValidate>
        <Grid gap="lg">
          <Grid.Col span={{ base: 12, md: 6 }}>
            <Card withBorder padding="lg">
              <Stack gap="lg">
                <PromptFields form={form} />
                {form.values.kind === "plain" && form.values.prompt === "" && (
                  <Group gap="xs">
                    <Text size="sm" c="dimmed">
                      Try:
                    </Text>
                    {examples.map((text) => (
                      <Button
                        key={text}
                        size="compact-sm"
                        variant="default"
                        fw={400}
                        onClick={() => form.setFieldValue("prompt", text)}
                      >
                        {text}
                      </Button>
                    ))}
                  </Group>
                )}
                <EndingFields form={form} />
              </Stack>
            </Card>
            <Run pending={submit.isPending} error={submit.error} visibleFrom="md" />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <Card withBorder padding="lg">
              <Stack gap="lg">
                <ModelField form={form} models={models.data} />
                {methods.data && <MethodFields form={form} known={methods.data} />}
                {methods.data && <StepFields form={form} known={methods.data} />}
                {(methods.error ?? models.error) && (
                  <ErrorState
                    title="The server's models and methods cannot be listed"
                    error={methods.error ?? models.error}
                    retry={() => void Promise.all([methods.refetch(), models.refetch()])}
                  />
                )}
              </Stack>
            </Card>
          </Grid.Col>
        </Grid>
        <Run pending={submit.isPending} error={submit.error} hiddenFrom="md" />
      </form>
      <Stack gap="xl" mt="xl">
        {job !== null && <JobPanel key={job} id={job} />}
        <RecentJobs current={job} onChoose={(id) => setQuery({ job: id })} />
      </Stack>
    </>
  );
}

interface RunProps {
  pending: boolean;
  error: Error | null;
  visibleFrom?: "md";
  hiddenFrom?: "md";
}

/** Under the text; where it is narrow, under all that is to be filled in. */
function Run({ pending, error, ...place }: RunProps) {
  return (
    <Stack gap="md" mt="lg" {...place}>
      {error && <ErrorState title="The server did not take this" error={error} />}
      <Group gap="md">
        <Button type="submit" size="md" leftSection={<IconPlayerPlay size={18} aria-hidden />} loading={pending}>
          Attribute
        </Button>
        <Text size="sm" c="dimmed" visibleFrom="sm">
          <Kbd>Ctrl</Kbd> + <Kbd>Enter</Kbd>
        </Text>
      </Group>
    </Stack>
  );
}

/** Fills the form with what the address's job was asked, as after a reload, and gives the job that the form is of. */
function useFilled(form: UseFormReturnType<Draft>, job: string | null): RefObject<string | undefined> {
  const filled = useRef<string>(undefined);
  const queries = useQueryClient();
  const { setValues } = form;
  useEffect(() => {
    if (job === null || job === filled.current) return;
    filled.current = job;
    queries
      .fetchQuery({ queryKey: jobKey(job), queryFn: ({ signal }) => getJob(job, signal) })
      .then(({ request }) => setValues(fromRequest(request)))
      .catch(() => {}); // the job's panel says so
  }, [job, queries, setValues]);
  return filled;
}
