import { NumberInput, Select, Stack, Switch, TagsInput, TextInput } from "@mantine/core";
import type { OptionSchema } from "../../api/methods.js";

interface OptionFieldProps {
  name: string;
  schema: OptionSchema;
  /** Undefined for the default. */
  value: unknown;
  onChange: (value: unknown) => void;
}

/** A field for an option, by its JSON Schema. */
export function OptionField({ name, schema, value, onChange }: OptionFieldProps) {
  const titles = { label: titled(name), description: schema.description };
  if (schema.type === "boolean")
    return (
      <Switch
        {...titles}
        pt={{ xs: 28 }}
        checked={(value ?? schema.default) === true}
        onChange={(event) => onChange(unlessDefault(event.currentTarget.checked, schema))}
      />
    );
  // Below, so that fields beside one another are level.
  const common = {
    ...titles,
    inputWrapperOrder: ["label", "input", "description"] satisfies ("label" | "input" | "description")[],
  };
  if (schema.type === "number" || schema.type === "integer") {
    const { least, most } = bounds(schema);
    return (
      <NumberInput
        {...common}
        value={(value as number | undefined) ?? ""}
        placeholder={schema.default === undefined ? "not set" : `${schema.default}`}
        {...(least !== undefined && { min: least })}
        {...(most !== undefined && { max: most })}
        allowDecimal={schema.type === "number"}
        step={schema.type === "number" ? 0.1 : 1}
        clampBehavior="none"
        onChange={(given) => onChange(given === "" ? undefined : unlessDefault(Number(given), schema))}
      />
    );
  }
  if (schema.type === "array")
    return (
      <TagsInput
        {...common}
        placeholder={value === undefined ? "all; type numbers, Enter after each" : ""}
        value={((value as number[] | undefined) ?? []).map(String)}
        splitChars={[",", " "]}
        onChange={(texts) => {
          const numbers = texts.map(Number).filter((number) => Number.isInteger(number) && number >= 0);
          onChange(numbers.length > 0 ? numbers : undefined);
        }}
      />
    );
  const choices = choicesOf(schema);
  const ownText = schema.anyOf?.some((each) => typeof each === "object" && each.type === "object") ?? false;
  const text = typeof value === "object" && value !== null && "text" in value ? String(value.text) : undefined;
  return (
    <Stack gap="xs">
      <Select
        {...common}
        data={[...choices, ...(ownText ? [{ value: OWN, label: "a text of your own" }] : [])]}
        value={text === undefined ? ((value as string | undefined) ?? null) : OWN}
        placeholder={schema.default === undefined ? "default" : String(schema.default)}
        clearable
        disabled={choices.length === 1}
        onChange={(chosen) => onChange(chosen === OWN ? { text: "" } : unlessDefault(chosen ?? undefined, schema))}
      />
      {text !== undefined && (
        <TextInput
          label={`${titled(name)}: text`}
          value={text}
          onChange={(event) => onChange({ text: event.currentTarget.value })}
        />
      )}
    </Stack>
  );
}

/** No value of any schema. */
const OWN = "\u0000own";

function choicesOf(schema: OptionSchema): string[] {
  const own = schema.enum ?? schema.anyOf?.flatMap((each) => (typeof each === "object" ? (each.enum ?? []) : []));
  return (own ?? []).map(String);
}

/** Bounds that are reached; those of JavaScript's whole numbers bound nothing that is meant. */
function bounds({ minimum, exclusiveMinimum, maximum, type }: OptionSchema) {
  const above = type === "integer" && typeof exclusiveMinimum === "number" ? exclusiveMinimum + 1 : undefined;
  return { least: minimum ?? above, most: maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum };
}

const unlessDefault = (value: unknown, { default: standard }: OptionSchema) => (value === standard ? undefined : value);

/** "maxProbeSteps" as "Max probe steps". */
function titled(name: string): string {
  const words = name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
