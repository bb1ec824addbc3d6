import { Button, Checkbox, Group, Modal, ScrollArea, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { listResults } from "../../api/results.js";
import { compareAddress, MOST_COMPARED } from "../../components/compare-address.js";
import { ErrorState } from "../../components/error-state.js";
import { ResultLine } from "../../components/result-line.js";

/** Chooses what a result is compared with. */
export function CompareDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [sought] = useDebouncedValue(text, 200);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const { data, error } = useQuery({
    queryKey: ["results", "list", { text: sought, pageSize: 50 }],
    queryFn: ({ signal }) => listResults({ text: sought || undefined, pageSize: 50 }, signal),
    placeholderData: keepPreviousData,
  });
  const others = data?.items.filter((item) => item.id !== id);
  const full = chosen.length >= MOST_COMPARED - 1;
  return (
    <Modal opened onClose={onClose} title="Compare with" size="lg" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="sm">
        <TextInput
          aria-label="Search prompts"
          placeholder="Search prompts"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          data-autofocus
        />
        {error && <ErrorState title="The results cannot be listed" error={error} />}
        <ScrollArea.Autosize mah={360}>
          <Stack gap={2}>
            {others?.map((item) => (
              <Checkbox
                key={item.id}
                className="row"
                p={6}
                styles={{ body: { alignItems: "center" }, labelWrapper: { minWidth: 0, flex: 1 } }}
                label={<ResultLine result={item} />}
                checked={chosen.includes(item.id)}
                disabled={full && !chosen.includes(item.id)}
                onChange={({ currentTarget: { checked } }) =>
                  setChosen(checked ? [...chosen, item.id] : chosen.filter((each) => each !== item.id))
                }
              />
            ))}
          </Stack>
        </ScrollArea.Autosize>
        {others?.length === 0 && (
          <Text size="sm" c="dimmed">
            {sought
              ? "No other result has this in its prompt."
              : "There is no other result yet: make one, or import one."}
          </Text>
        )}
        <Group justify="flex-end">
          <Button disabled={chosen.length === 0} onClick={() => navigate(compareAddress([id, ...chosen]))}>
            Compare
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
