import { Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import type { Facets } from "../api/results.js";

interface FacetSelectProps {
  label: string;
  facets: Facets["models"] | undefined;
  /** "" for all. */
  value: string;
  onChange: (value: string) => void;
}

/** One of the models or methods that there are results of. */
export function FacetSelect({ label, facets = [], value, onChange }: FacetSelectProps) {
  const known = facets.map(({ name, results }) => ({ value: name, label: `${name} (${results})` }));
  const missing = value !== "" && !facets.some(({ name }) => name === value);
  return (
    <Select
      label={label}
      placeholder="all"
      clearable
      searchable
      w={{ base: "100%", xs: 210 }}
      data={missing ? [...known, { value, label: value }] : known}
      value={value || null}
      onChange={(chosen) => onChange(chosen ?? "")}
    />
  );
}

/** A part of prompts; asks when the typing pauses. */
export function PromptSearch({ text, onChange }: { text: string; onChange: (text: string) => void }) {
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
