import { Text } from "@mantine/core";
import type { ResultSummary } from "../api/results.js";
import { counted, moment } from "./format.js";

/** A result in two lines: its prompt, and what it is. */
export function ResultLine({ result }: { result: ResultSummary }) {
  const { prompt, method, step, model, outputs, timestamp } = result;
  return (
    <span style={{ display: "block", minWidth: 0 }}>
      <Text size="sm" truncate component="span" display="block">
        {prompt || "(no prompt)"}
      </Text>
      <Text size="xs" c="dimmed" truncate component="span" display="block">
        {[step ? `${method} of ${step}` : method, model, counted(outputs, "output"), moment(timestamp)].join(" · ")}
      </Text>
    </span>
  );
}
