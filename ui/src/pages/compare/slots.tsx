import { ActionIcon, Badge, Button, Card, Group, SimpleGrid, Skeleton, Text } from "@mantine/core";
import { IconPlus, IconReplace, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { letterOf } from "../../../../src/viz/letter.js";
import { getSummary } from "../../api/results.js";
import { MOST_COMPARED } from "../../components/compare-address.js";
import { ResultLine } from "../../components/result-line.js";

interface SlotsProps {
  ids: readonly string[];
  /** Of each one that cannot be shown. */
  errors: readonly (Error | null)[];
  onReplace: (id: string) => void;
  onRemove: (id: string) => void;
  onAdd: () => void;
}

/** What is compared, by the letters that the drawing has. */
export function Slots({ ids, errors, onReplace, onRemove, onAdd }: SlotsProps) {
  let drawn = 0;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, xl: 4 }} spacing="sm" component="ul" m={0} p={0} style={{ listStyle: "none" }}>
      {ids.map((id, i) => (
        <li key={id}>
          <Slot
            id={id}
            error={errors[i] ?? null}
            letter={errors[i] ? undefined : letterOf(drawn++)}
            onReplace={() => onReplace(id)}
            onRemove={() => onRemove(id)}
          />
        </li>
      ))}
      {ids.length < MOST_COMPARED && (
        <li>
          <Button
            variant="default"
            fullWidth
            h="100%"
            mih={60}
            leftSection={<IconPlus size={17} aria-hidden />}
            onClick={onAdd}
            style={{ borderStyle: "dashed" }}
          >
            Add a result
          </Button>
        </li>
      )}
    </SimpleGrid>
  );
}

interface SlotProps {
  id: string;
  error: Error | null;
  letter: string | undefined;
  onReplace: () => void;
  onRemove: () => void;
}

function Slot({ id, error, letter, onReplace, onRemove }: SlotProps) {
  const { data } = useQuery({
    queryKey: ["results", id],
    queryFn: ({ signal }) => getSummary(id, signal),
    enabled: !error,
  });
  const name = letter ?? id;
  return (
    <Card withBorder padding="xs" h="100%">
      <Group wrap="nowrap" gap="xs">
        {letter && (
          <Badge circle size="lg" variant="filled" aria-label={`Result ${letter}`}>
            {letter}
          </Badge>
        )}
        <div style={{ flex: 1, minWidth: 0 }}>
          {error ? (
            <>
              <Text size="sm" truncate title={id}>
                {id}
              </Text>
              <Text size="xs" c="dimmed" role="alert">
                {error.message}
              </Text>
            </>
          ) : data ? (
            <Link
              className="row"
              to={`/explore/${encodeURIComponent(id)}`}
              style={{ color: "inherit", textDecoration: "none" }}
            >
              <ResultLine result={data} />
            </Link>
          ) : (
            <Skeleton h={34} />
          )}
        </div>
        <ActionIcon variant="subtle" color="gray" aria-label={`Replace ${name}`} onClick={onReplace}>
          <IconReplace size={17} aria-hidden />
        </ActionIcon>
        <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${name}`} onClick={onRemove}>
          <IconX size={17} aria-hidden />
        </ActionIcon>
      </Group>
    </Card>
  );
}
