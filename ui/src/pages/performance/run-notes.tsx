import { Alert, Code, List, Text } from "@mantine/core";
import { IconInfoCircle } from "@tabler/icons-react";
import type { RunList } from "../../api/performance.js";

/** Runs in the folder that cannot be shown, and what to do about them. */
export function RunNotes({ unfinished, damaged }: Pick<RunList, "unfinished" | "damaged">) {
  if (unfinished.length + damaged.length === 0) return null;
  return (
    <Alert variant="light" color="gray" icon={<IconInfoCircle aria-hidden />} title="Not all runs can be shown">
      <List size="sm" spacing={4}>
        {unfinished.map((id) => (
          <List.Item key={id}>
            <Code>{id}</Code> has no report: it is still at it, or was killed. In the second case{" "}
            <Code>tokenlense bench run --resume --output {id}</Code> with the same options goes on.
          </List.Item>
        ))}
        {damaged.map(({ id, message }) => (
          <List.Item key={id}>
            <Text span size="sm">
              {message}
            </Text>
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}

/** How a benchmark is made, and where it must lie to be found. */
export function HowToRun() {
  return (
    <>
      <Text>Measure models and methods on this machine, in the folder where the results folder lies:</Text>
      <Code block my="sm" ta="left" style={{ whiteSpace: "pre-wrap" }}>
        tokenlense bench run
      </Code>
      <Text>
        It leaves its run in <Code>results/bench-…</Code>; this page shows every run in the folder that{" "}
        <Code>tokenlense serve</Code> was given (<Code>results</Code> unless told). A run from another machine is shown
        once its folder is copied there.
      </Text>
    </>
  );
}
