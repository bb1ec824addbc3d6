import { Card, Checkbox, Stack, Text } from "@mantine/core";
import type { RunSummary } from "../../api/performance.js";
import { counted, moment } from "../../components/format.js";
import { STORED } from "./stored-times.js";

/** As many as there are symbols that are told apart. */
const MOST_RUNS = 6;

interface RunChoiceProps {
  runs: readonly RunSummary[];
  /** How many stored results say how long they took. */
  timed: number;
  chosen: readonly string[];
  onChange: (ids: string[]) => void;
}

/** Runs that are shown, one or several side by side. */
export function RunChoice({ runs, timed, chosen, onChange }: RunChoiceProps) {
  const full = chosen.length >= MOST_RUNS;
  const choices = [
    ...runs.map((run) => ({ id: run.id, title: `${run.id}, ${moment(run.started)}`, about: about(run) })),
    ...(timed > 0
      ? [{ id: STORED, title: STORED, about: `${counted(timed, "time")}, wherever they were measured.` }]
      : []),
  ];
  return (
    <Card withBorder padding="md">
      <Checkbox.Group
        label="Runs"
        description="Choose several to see them side by side."
        value={[...chosen]}
        onChange={onChange}
      >
        <Stack gap="sm" mt="sm" mah={300} style={{ overflowY: "auto" }}>
          {choices.map(({ id, title, about }) => (
            <Checkbox key={id} value={id} label={title} description={about} disabled={full && !chosen.includes(id)} />
          ))}
        </Stack>
      </Checkbox.Group>
      {full && (
        <Text size="sm" c="dimmed" mt="xs">
          {MOST_RUNS} at most.
        </Text>
      )}
    </Card>
  );
}

function about({ machine, models, methods, cells, measured, failed, ended }: RunSummary): string {
  return [
    `${counted(models.length, "model")}, ${counted(methods.length, "method")}`,
    `${measured} of ${cells} cells measured${failed > 0 ? `, ${failed} failed` : ""}`,
    ...(ended === null ? ["stopped before its end"] : []),
    machine,
  ].join("; ");
}
