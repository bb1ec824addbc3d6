import fc from "fast-check";

/** What a JSON Schema of OpenAPI 3.1 may have, of what this package's have. */
export interface Schema {
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

const text = fc.string({ unit: "grapheme", maxLength: 20 });

/** Mostly what a schema describes; at each place now and then anything else. */
export function fromSchema(
  schema: Schema,
  given: Readonly<Record<string, readonly unknown[]>> = {},
): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 12, arbitrary: described(schema, given) }, { weight: 1, arbitrary: fc.jsonValue() });
}

function described(schema: Schema, given: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return fc.oneof(...choices.map((choice) => fromSchema(choice, given)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if ("const" in schema) return fc.constant(schema.const);
  const kind = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (kind) {
    case "string":
      return text;
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "number":
    case "integer": {
      const [min, max] = [Math.max(schema.minimum ?? -10, -1e6), Math.min(schema.maximum ?? 1e6, 1e6)];
      return fc.oneof(fc.integer({ min, max: Math.min(max, min + 20) }), fc.double({ min, max, noNaN: true }));
    }
    case "array":
      return fc.array(fromSchema(schema.items ?? {}, given), { maxLength: 4 });
    case "object": {
      const { properties = {}, required = [] } = schema;
      const fields = Object.entries(properties).map(([name, property]) => {
        const known = given[name];
        const own = fromSchema(property, given);
        return [name, known ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...known) }, own) : own] as const;
      });
      const all = Object.fromEntries(fields);
      const optional = Object.keys(properties).filter((name) => !required.includes(name));
      // Few of what may be left out: of many, one would nearly always be wrong.
      const chosen = fc.subarray(optional, { maxLength: Math.min(3, optional.length) });
      const record = chosen.chain((names) =>
        fc.record(
          Object.fromEntries([...required, ...names].map((name) => [name, all[name] as fc.Arbitrary<unknown>])),
        ),
      );
      const more = fc.dictionary(text, fc.jsonValue(), { maxKeys: 1 });
      return fc.oneof(
        { weight: 8, arbitrary: record },
        { weight: 1, arbitrary: fc.record(all, { requiredKeys: [] }) },
        { weight: 1, arbitrary: fc.tuple(more, record).map(([extra, own]) => ({ ...extra, ...own })) },
      );
    }
    default:
      return fc.jsonValue();
  }
}
