import { dirname } from "node:path";
import type { Command, Option } from "commander";
import { TokenlenseError } from "../../errors.js";
import { type ConfigFile, isSection } from "./files.js";
import { pathOf } from "./hooks.js";

/** One place that may set options: a file, or a command's part of one, or the environment's variables. */
export interface Place {
  source: "env" | "config";
  get(key: string): unknown;
  /** The variable, or the file and the key in it. */
  name(key: string): string;
  file?: ConfigFile & { folder: string };
}

const upper = (name: string) => name.replaceAll("-", "_").replaceAll(/[A-Z]/g, "_$&").toUpperCase();

/** TOKENLENSE_MEMORY_BUDGET for memoryBudget of all commands; TOKENLENSE_MODELS_BUILD_DTYPE for one command's. */
export const variableName = (key: string, scope: readonly string[] = []) =>
  ["tokenlense", ...scope, key].map(upper).join("_");

/** Options that may be set elsewhere than on the command line: all but the program's own and help. One for each key. */
export function settable(command: Command): Option[] {
  const byKey = new Map(command.options.map((option) => [option.attributeName(), option]));
  return [...byKey.values()];
}

/** Places that a command's options are looked for in, the strongest first; in each, its own part before what is for all. */
export function placesFor(command: Command, env: NodeJS.ProcessEnv, files: readonly ConfigFile[]): Place[] {
  const path = pathOf(command);
  const scopes = path.map((_, i) => path.slice(0, path.length - i)).concat([[]]);
  return [
    ...scopes.map((scope): Place => {
      const name = (key: string) => variableName(key, scope);
      return { source: "env", name, get: (key) => env[name(key)] || undefined };
    }),
    ...files.flatMap((file) => scopes.map((scope) => partOf(file, scope, command))),
  ];
}

function partOf(file: ConfigFile, scope: readonly string[], command: Command): Place {
  let part: unknown = file.content;
  for (const name of scope) part = isSection(part) ? part[name] : undefined;
  const holder = ancestors(command).find((candidate) => pathOf(candidate).length === scope.length);
  return {
    source: "config",
    file: { ...file, folder: dirname(file.path) },
    name: (key) => `${file.path}: ${[...scope, key].join(".")}`,
    get: (key) => {
      const value = isSection(part) && Object.hasOwn(part, key) ? part[key] : undefined;
      return isSection(value) && child(holder, key) ? undefined : value;
    },
  };
}

const ancestors = (command: Command): Command[] =>
  command.parent ? [command, ...ancestors(command.parent)] : [command];
const child = (command: Command | undefined, name: string) =>
  command?.commands.find((candidate) => candidate.name() === name);

/** Keys that a command's part of a file may hold: of its own options, and of those of the commands below it. */
function keysOf(command: Command): string[] {
  const own = command.parent ? settable(command).map((option) => option.attributeName()) : [];
  return [...new Set([...own, ...command.commands.flatMap(keysOf)])];
}

/** @throws ERR_TOKENLENSE_INPUT for a key that is no option's and no command's, with the nearest. */
export async function requireKnownKeys(
  file: ConfigFile,
  command: Command,
  part = file.content,
  scope: readonly string[] = [],
): Promise<void> {
  const keys = keysOf(command);
  for (const [key, value] of Object.entries(part)) {
    const name = `${file.path}: ${[...scope, key].join(".")}`;
    const below = child(command, key);
    if (below && isSection(value)) await requireKnownKeys(file, below, value, [...scope, key]);
    else if (keys.includes(key)) continue;
    else if (below) throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${name}: expected an object of its options.`);
    else {
      const names = [...keys, ...command.commands.map((candidate) => candidate.name())];
      const { unknownName } = await import("../../nearest.js");
      const { hint } = unknownName("key", key, names);
      throw new TokenlenseError("ERR_TOKENLENSE_INPUT", `${name}: unknown key.`, { hint });
    }
  }
}
