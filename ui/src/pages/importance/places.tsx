import { Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { useQueries } from "@tanstack/react-query";
import { Link } from "react-router";
import type { ImportantToken } from "../../api/importance.js";
import { getSummary } from "../../api/results.js";
import { ErrorState } from "../../components/error-state.js";
import { writeState } from "../../components/lens-query.js";
import { ResultLine } from "../../components/result-line.js";
import { figureText } from "./figures.js";
import { tokenText } from "./token-text.js";

/** The results in which a token matters most, each to be explored with the token pinned. */
export function Places({ item, onClose }: { item: ImportantToken; onClose: () => void }) {
  const summaries = useQueries({
    queries: item.places.map(({ id }) => ({
      queryKey: ["results", id],
      queryFn: ({ signal }: { signal: AbortSignal }) => getSummary(id, signal),
    })),
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={`Where “${tokenText(item.token)}” matters most`}
      size="lg"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Stack gap={2} component="ul" m={0} p={0} style={{ listStyle: "none" }}>
        {item.places.map(({ id, position, share }, i) => {
          const { data, error } = summaries[i] ?? {};
          if (error) return <ErrorState key={id} title={id} error={error} />;
          return (
            <li key={id}>
              <Link className="row link" to={exploreAddress(id, position)}>
                <Group wrap="nowrap" justify="space-between" gap="md">
                  {data ? <ResultLine result={data} /> : <Loader size="sm" aria-label="Fetching" />}
                  <Text size="sm" fw={600} style={{ flexShrink: 0 }}>
                    {figureText("most", share)}
                  </Text>
                </Group>
              </Link>
            </li>
          );
        })}
      </Stack>
    </Modal>
  );
}

function exploreAddress(id: string, position: number): string {
  const query = writeState(new URLSearchParams(), { pinned: { result: 0, position } });
  return `/explore/${encodeURIComponent(id)}?${query}`;
}
