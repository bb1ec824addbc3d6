import type { Command, Option } from "commander";
import type { z } from "zod";

/** Schemas by option, as the API has them; `flags` are the command's. */
export type Schemas = Readonly<Record<string, z.ZodType>>;
export type LoadSchemas = (flags: Record<string, unknown>) => Promise<Schemas>;

const loaders = new WeakMap<Command, LoadSchemas[]>();
const own = new WeakSet<Option>();

/** Has flags, variables and configuration held to the API's schemas, which are imported when there is a value to check. */
export function heldTo(command: Command, load: LoadSchemas): Command {
  loaders.set(command, [...(loaders.get(command) ?? []), load]);
  return command;
}

export async function schemasOf(command: Command): Promise<Schemas> {
  const all = await Promise.all((loaders.get(command) ?? []).map((load) => load(command.opts())));
  return Object.assign({}, ...all);
}

/** Keeps an option that has others' code run from a project's file: who enters a folder has not asked for that. */
export function notFromProject(option: Option): Option {
  own.add(option);
  return option;
}

export const fromProject = (option: Option): boolean => !own.has(option);

const hidden = new WeakSet<Option>();

/** Keeps an option's value out of what is shown. */
export function secret(option: Option): Option {
  hidden.add(option);
  return option;
}

export const isSecret = (option: Option): boolean => hidden.has(option);
