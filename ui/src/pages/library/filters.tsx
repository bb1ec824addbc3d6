import { Button, Group, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import type { Facets } from "../../api/results.js";

/** What a list is narrowed to, as the address has it. */
export interface Filter {
  text: string;
  model: string;
  method: string;
  /** Days, as their fields have them: "2026-11-27". */
  since: string;
  until: string;
}

export const filterKeys = ["text", "model", "method", "since", "until"] as const satisfies (keyof Filter)[];

interface FiltersProps {
  filter: Filter;
  facets: Facets | undefined;
  onChange: (changes: Partial<Filter>) => void;
}

export function Filters({ filter, facets, onChange }: FiltersProps) {
  const any = filterKeys.some((key) => filter[key] !== "");
  return (
    <Group component="search" gap="sm" align="end">
      <Search text={filter.text} onChange={(text) => onChange({ text })} />
      <Choice label="Model" all={facets?.models} value={filter.model} onChange={(model) => onChange({ model })} />
      <Choice label="Method" all={facets?.methods} value={filter.method} onChange={(method) => onChange({ method })} />
      <TextInput
        type="date"
        label="Since"
        w={{ base: "calc(50% - 6px)", xs: 150 }}
        value={filter.since}
        onChange={(event) => onChange({ since: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label="Until"
        w={{ base: "calc(50% - 6px)", xs: 150 }}
        value={filter.until}
        onChange={(event) => onChange({ until: event.currentTarget.value })}
      />
      {any && (
        <Button variant="subtle" onClick={() => onChange(Object.fromEntries(filterKeys.map((key) => [key, ""])))}>
          Show all
        </Button>
      )}
    </Group>
  );
}

interface ChoiceProps {
  label: string;
  all: Facets["models"] | undefined;
  /** "" for all. */
  value: string;
  onChange: (value: string) => void;
}

/** One of the names that results have, with how many have it. */
function Choice({ label, all = [], value, onChange }: ChoiceProps) {
  const known = all.map(({ name, results }) => ({ value: name, label: `${name} (${results})` }));
  const gone = value !== "" && !all.some(({ name }) => name === value);
  return (
    <Select
      label={label}
      placeholder="all"
      clearable
      searchable
      w={{ base: "100%", xs: 210 }}
      data={gone ? [...known, value] : known}
      value={value || null}
      onChange={(chosen) => onChange(chosen ?? "")}
    />
  );
}

/** Asks when the typing pauses. */
function Search({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  const tell = useDebouncedCallback(onChange, 250);
  return (
    <TextInput
      label="Prompt"
      placeholder="contains…"
      leftSection={<IconSearch size={16} aria-hidden />}
      w={{ base: "100%", xs: 240 }}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        tell(event.currentTarget.value);
      }}
    />
  );
}
