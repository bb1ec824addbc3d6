import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { IconFileAlert } from "@tabler/icons-react";
import type { ResultsPage } from "../../api/results.js";
import { counted } from "../../components/format.js";

interface DamagedProps {
  items: ResultsPage["damaged"];
  onRemove: (ids: readonly string[]) => void;
}

/** Files of results that cannot be read, and why. */
export function Damaged({ items, onRemove }: DamagedProps) {
  if (items.length === 0) return null;
  return (
    <Alert
      color="orange"
      variant="outline"
      icon={<IconFileAlert aria-hidden />}
      title={`${counted(items.length, "file")} cannot be read`}
    >
      <Stack gap="xs">
        {items.map(({ id, message }) => (
          <Group key={id} justify="space-between" gap="sm">
            <Text size="sm" style={{ overflowWrap: "anywhere" }} flex="1 1 260px">
              {message}
            </Text>
            <Button size="compact-sm" variant="default" onClick={() => onRemove([id])} aria-label={`Delete ${id}`}>
              Delete
            </Button>
          </Group>
        ))}
      </Stack>
    </Alert>
  );
}
