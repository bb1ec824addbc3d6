import { Group, Modal, ScrollArea, Stack, Text, UnstyledButton } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listResults } from "../../api/results.js";
import { ErrorState } from "../../components/error-state.js";
import { FacetSelect, PromptSearch } from "../../components/result-filters.js";
import { ResultLine } from "../../components/result-line.js";

interface PickerProps {
  /** What is compared already. */
  taken: readonly string[];
  onPick: (id: string) => void;
  onClose: () => void;
}

const SHOWN = 50;

/** Finds a stored result. */
export function Picker({ taken, onPick, onClose }: PickerProps) {
  const [wish, setWish] = useState({ text: "", model: "", method: "" });
  const query = {
    ...{ text: wish.text || undefined, model: wish.model || undefined, method: wish.method || undefined },
    pageSize: SHOWN,
  };
  const { data, error } = useQuery({
    queryKey: ["results", "list", query],
    queryFn: ({ signal }) => listResults(query, signal),
    placeholderData: keepPreviousData,
  });
  const items = data?.items.filter(({ id }) => !taken.includes(id));
  const change = (changes: Partial<typeof wish>) => setWish({ ...wish, ...changes });
  return (
    <Modal opened onClose={onClose} title="Choose a result" size="xl" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="sm">
        <Group gap="sm" component="search">
          <PromptSearch text={wish.text} onChange={(text) => change({ text })} />
          <FacetSelect
            label="Model"
            facets={data?.facets.models}
            value={wish.model}
            onChange={(model) => change({ model })}
          />
          <FacetSelect
            label="Method"
            facets={data?.facets.methods}
            value={wish.method}
            onChange={(method) => change({ method })}
          />
        </Group>
        {error && <ErrorState title="The results cannot be listed" error={error} />}
        <ScrollArea.Autosize mah={400}>
          <Stack gap={2} component="ul" m={0} p={0} style={{ listStyle: "none" }}>
            {items?.map((item) => (
              <li key={item.id}>
                <UnstyledButton className="row link" w="100%" onClick={() => onPick(item.id)}>
                  <ResultLine result={item} />
                </UnstyledButton>
              </li>
            ))}
          </Stack>
        </ScrollArea.Autosize>
        <Text size="sm" c="dimmed" role="status">
          {items?.length === 0 && "No other result is what you asked for."}
          {data &&
            data.total > SHOWN &&
            `The newest ${SHOWN} of ${data.total.toLocaleString("en")}; search for others.`}
        </Text>
      </Stack>
    </Modal>
  );
}
