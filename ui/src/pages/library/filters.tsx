import { Button, Group, TextInput } from "@mantine/core";
import type { Facets } from "../../api/results.js";
import { FacetSelect, PromptSearch } from "../../components/result-filters.js";

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
      <PromptSearch text={filter.text} onChange={(text) => onChange({ text })} />
      <FacetSelect
        label="Model"
        facets={facets?.models}
        value={filter.model}
        onChange={(model) => onChange({ model })}
      />
      <FacetSelect
        label="Method"
        facets={facets?.methods}
        value={filter.method}
        onChange={(method) => onChange({ method })}
      />
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
