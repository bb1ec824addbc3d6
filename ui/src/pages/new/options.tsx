import { SimpleGrid } from "@mantine/core";
import type { OptionSchema } from "../../api/methods.js";
import { OptionField } from "./option-field.js";

interface OptionsProps {
  schemas: Readonly<Record<string, OptionSchema>>;
  values: Readonly<Record<string, unknown>>;
  onChange: (values: Record<string, unknown>) => void;
}

/** Fields for the options of a method or step function. Those at their defaults are not among the values. */
export function Options({ schemas, values, onChange }: OptionsProps) {
  const names = Object.keys(schemas);
  if (names.length === 0) return null;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
      {names.map((name) => (
        <OptionField
          key={name}
          name={name}
          schema={schemas[name] as OptionSchema}
          value={values[name]}
          onChange={(value) => {
            const { [name]: _, ...others } = values;
            onChange(value === undefined ? others : { ...others, [name]: value });
          }}
        />
      ))}
    </SimpleGrid>
  );
}
