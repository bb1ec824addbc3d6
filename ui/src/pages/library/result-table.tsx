import { ActionIcon, Anchor, Badge, Checkbox, Group, Table, Text, VisuallyHidden } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { Link } from "react-router";
import type { ResultSummary } from "../../api/results.js";
import { counted, duration, moment } from "../../components/format.js";

interface ResultTableProps {
  items: readonly ResultSummary[];
  chosen: ReadonlySet<string>;
  onChoose: (ids: readonly string[], chosen: boolean) => void;
  onRemove: (id: string) => void;
}

/** Results in rows. Where it is narrow, what a result is stands under its prompt. */
export function ResultTable({ items, chosen, onChoose, onRemove }: ResultTableProps) {
  const here = items.filter(({ id }) => chosen.has(id)).length;
  return (
    <Table verticalSpacing="xs" highlightOnHover layout="fixed">
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={40}>
            <Checkbox
              aria-label="Choose all of this page"
              checked={here > 0 && here === items.length}
              indeterminate={here > 0 && here < items.length}
              onChange={({ currentTarget: { checked } }) =>
                onChoose(
                  items.map(({ id }) => id),
                  checked,
                )
              }
            />
          </Table.Th>
          <Table.Th>Prompt</Table.Th>
          <Table.Th w={175} visibleFrom="sm">
            Model
          </Table.Th>
          <Table.Th w={165} visibleFrom="sm">
            Method
          </Table.Th>
          <Table.Th w={90} visibleFrom="lg" ta="right">
            Outputs
          </Table.Th>
          <Table.Th w={90} visibleFrom="lg" ta="right">
            Took
          </Table.Th>
          <Table.Th w={170} visibleFrom="md">
            Made
          </Table.Th>
          <Table.Th w={48}>
            <VisuallyHidden>Actions</VisuallyHidden>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {items.map((item) => (
          <Row
            key={item.id}
            item={item}
            chosen={chosen.has(item.id)}
            onChoose={(given) => onChoose([item.id], given)}
            onRemove={() => onRemove(item.id)}
          />
        ))}
      </Table.Tbody>
    </Table>
  );
}

interface RowProps {
  item: ResultSummary;
  chosen: boolean;
  onChoose: (chosen: boolean) => void;
  onRemove: () => void;
}

function Row({ item, chosen, onChoose, onRemove }: RowProps) {
  const { id, prompt, model, method, step, outputs, seconds, timestamp, format, sequences } = item;
  const text = prompt || "(no prompt)";
  return (
    <Table.Tr {...(chosen && { bg: "var(--mantine-primary-color-light)" })}>
      <Table.Td>
        <Checkbox
          aria-label={`Choose ${text}`}
          checked={chosen}
          onChange={(event) => onChoose(event.currentTarget.checked)}
        />
      </Table.Td>
      <Table.Td>
        <Group gap={8} wrap="nowrap">
          <Anchor
            component={Link}
            to={`/explore/${encodeURIComponent(id)}`}
            size="sm"
            fw={500}
            c="var(--mantine-color-text)"
            truncate
            title={text}
          >
            {text}
          </Anchor>
          {format === "inseq" && (
            <Badge size="sm" variant="default" tt="none" style={{ flexShrink: 0 }}>
              Inseq{sequences > 1 ? ` × ${sequences}` : ""}
            </Badge>
          )}
        </Group>
        <Text size="xs" c="dimmed" hiddenFrom="sm" truncate>
          {method} · {model} · {counted(outputs, "output")}
        </Text>
        <Text size="xs" c="dimmed" hiddenFrom="md">
          {moment(timestamp)}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Text size="sm" truncate title={model}>
          {model}
        </Text>
      </Table.Td>
      <Table.Td visibleFrom="sm">
        <Text size="sm" truncate title={method}>
          {method}
        </Text>
        {step && (
          <Text size="xs" c="dimmed" truncate>
            {step}
          </Text>
        )}
      </Table.Td>
      <Table.Td visibleFrom="lg" ta="right">
        {outputs}
      </Table.Td>
      <Table.Td visibleFrom="lg" ta="right">
        {seconds === undefined ? "" : duration(seconds)}
      </Table.Td>
      <Table.Td visibleFrom="md">{moment(timestamp)}</Table.Td>
      <Table.Td>
        <ActionIcon variant="subtle" color="gray" aria-label={`Delete ${text}`} onClick={onRemove}>
          <IconTrash size={17} aria-hidden />
        </ActionIcon>
      </Table.Td>
    </Table.Tr>
  );
}
