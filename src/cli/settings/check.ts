import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import { TokenlenseError } from "../../errors.js";
import { originOf, placesOf } from "./fill.js";
import { settable } from "./places.js";
import { schemasOf } from "./schemas.js";

/** Options that mean nothing without another, whose value they are written for. */
const companions: Readonly<Record<string, string>> = { option: "method" };

/**
 * Holds what a command was given, from wherever, to the API's schemas.
 * @throws ERR_TOKENLENSE_INPUT naming the flag, the variable, or the file and the key.
 */
export async function check(command: Command): Promise<void> {
  for (const [key, other] of Object.entries(companions)) dropStranded(command, key, other);
  const given = settable(command).filter((option) =>
    ["cli", "env", "config"].includes(command.getOptionValueSource(option.attributeName()) ?? ""),
  );
  if (given.length === 0) return;
  const schemas = await schemasOf(command);
  for (const option of given) {
    const key = option.attributeName();
    const origin = command.getOptionValueSource(key) === "cli" ? undefined : originOf(command, key);
    if (origin?.error !== undefined) throw origin.error;
    const name = origin?.place.name(key) ?? option.long ?? option.flags;
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined;
    if (schema) await held(name, schema, command.getOptionValue(key));
    else if (origin?.structured)
      throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${name}: expected text or a number.`);
  }
}

async function held(
  name: string,
  schema: Parameters<typeof import("../../options.js").parseOptions>[0],
  value: unknown,
) {
  const { parseOptions } = await import("../../options.js");
  try {
    parseOptions(schema, value);
  } catch (error) {
    const { code, message, hint, cause } = TokenlenseError.from(error);
    throw new TokenlenseError(code, `${name}: ${message}`, { hint, cause });
  }
}

/** A method's options from a place that names the method are of no use once a stronger place has chosen another. */
function dropStranded(command: Command, key: string, other: string): void {
  const origin = originOf(command, key);
  if (!origin || command.getOptionValueSource(key) === "cli") return;
  const places = placesOf(command);
  const meant = places
    .slice(places.indexOf(origin.place))
    .find((place) => place.get(other) !== undefined)
    ?.get(other);
  if (meant === undefined || isDeepStrictEqual(meant, command.getOptionValue(other))) return;
  const option = settable(command).find((candidate) => candidate.attributeName() === key);
  command.setOptionValueWithSource(key, option?.defaultValue, "default");
}
