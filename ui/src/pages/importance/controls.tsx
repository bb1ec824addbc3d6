import { Card, Group, NumberInput, SegmentedControl, Select, Stack, Switch, TextInput } from "@mantine/core";
import type { Part, Unit } from "../../api/importance.js";
import type { Facets } from "../../api/results.js";
import { FacetSelect, PromptSearch } from "../../components/result-filters.js";
import type { Wish } from "./chosen.js";
import { type Figure, figures } from "./figures.js";

/** All that decides what is shown, as the address has it. */
export interface Choice extends Wish {
  text: string;
  model: string;
  method: string;
  part: Part;
  unit: Unit;
}

interface ControlsProps {
  choice: Choice;
  facets: Facets | undefined;
  onChange: (changes: Partial<Choice>) => void;
}

const partNames: Readonly<Record<Part, string>> = { prompt: "Prompt", target: "Continuation", all: "Both" };
const unitNames: Readonly<Record<Unit, string>> = { token: "Tokens", word: "Words" };
const entriesOf = <Key extends string>(names: Readonly<Record<Key, string>>) =>
  (Object.entries(names) as [Key, string][]).map(([value, label]) => ({ value, label }));

export function Controls({ choice, facets, onChange }: ControlsProps) {
  return (
    <Card withBorder padding="md" component="search">
      <Stack gap="sm">
        <Group gap="sm" align="end">
          <PromptSearch text={choice.text} onChange={(text) => onChange({ text })} />
          <FacetSelect
            label="Model"
            facets={facets?.models}
            value={choice.model}
            onChange={(model) => onChange({ model })}
          />
          <FacetSelect
            label="Method"
            facets={facets?.methods}
            value={choice.method}
            onChange={(method) => onChange({ method })}
          />
        </Group>
        <Group gap="sm" align="end">
          <Select
            label="Aggregation"
            allowDeselect={false}
            w={{ base: "100%", xs: 190 }}
            data={Object.entries(figures).map(([value, { label }]) => ({ value, label }))}
            value={choice.by}
            onChange={(by) => onChange({ by: by as Figure })}
          />
          <TextInput
            label="Token"
            placeholder="contains…"
            w={{ base: "calc(60% - 6px)", xs: 150 }}
            value={choice.token}
            onChange={(event) => onChange({ token: event.currentTarget.value })}
          />
          <NumberInput
            label="Places, at least"
            min={1}
            allowDecimal={false}
            clampBehavior="strict"
            w={{ base: "calc(40% - 6px)", xs: 130 }}
            value={choice.least}
            onChange={(least) => onChange({ least: Math.max(1, Number(least) || 1) })}
          />
          <SegmentedControl
            aria-label="Which part of the text"
            data={entriesOf(partNames)}
            value={choice.part}
            onChange={(part) => onChange({ part: part as Part })}
          />
          <SegmentedControl
            aria-label="Tokens or words"
            data={entriesOf(unitNames)}
            value={choice.unit}
            onChange={(unit) => onChange({ unit: unit as Unit })}
          />
          <Switch
            label="No punctuation, no template"
            checked={choice.words}
            onChange={(event) => onChange({ words: event.currentTarget.checked })}
            mb={8}
          />
        </Group>
      </Stack>
    </Card>
  );
}
