import type { EventEmitter } from "node:events";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, type Option } from "commander";
import { TokenlenseError } from "../../errors.js";
import { configFiles, isSection } from "./files.js";
import { type Place, placesFor, requireKnownKeys, settable, variableName } from "./places.js";
import { fromProject } from "./schemas.js";

/** Where an option's value is from. */
export interface Origin {
  place: Place;
  /** It is an object or a list, which only a schema can judge. */
  structured: boolean;
  /** It cannot be read; to be told unless a flag takes its place. */
  error?: unknown;
}

const filled = new WeakMap<Command, { places: Place[]; origins: Map<string, Origin> }>();

export const placesOf = (command: Command): readonly Place[] => filled.get(command)?.places ?? [];
export const originOf = (command: Command, key: string): Origin | undefined => filled.get(command)?.origins.get(key);

/** The files in force for a program that has read its own flags. */
export async function filesOf(program: Command, env = process.env) {
  const files = configFiles(program.opts<{ config?: string }>().config ?? (env[variableName("config")] || undefined));
  for (const file of files) await requireKnownKeys(file, program);
  return files;
}

/**
 * Gives a command's options what environment and files say of them; flags, which are parsed after it, go before.
 * @throws ERR_TOKENLENSE_INPUT naming the file and the key that no option has.
 */
export async function fill(command: Command, env = process.env): Promise<void> {
  let program = command;
  while (program.parent) program = program.parent;
  const places = placesFor(command, env, await filesOf(program, env));
  const origins = new Map<string, Origin>();
  filled.set(command, { places, origins });
  for (const option of settable(command)) {
    const key = option.attributeName();
    const place = places.find((candidate) => candidate.get(key) !== undefined);
    if (!place) continue;
    const { value, ...origin } = await read(option, place).catch((error: unknown) => ({
      ...{ value: place.get(key), structured: false, error },
    }));
    flagsGoFirst(command, option);
    command.setOptionValueWithSource(key, value, place.source);
    origins.set(key, { place, ...origin });
  }
}

async function read(option: Option, place: Place): Promise<{ value: unknown; structured: boolean }> {
  const key = option.attributeName();
  const given = place.get(key);
  if (place.file?.kind === "project" && !fromProject(option))
    throw wrong(place, key, "is not taken from a project's file: it lets others' code run.", {
      hint: `Give ${option.long}, set ${variableName(key)}, or write it into your own file.`,
    });
  if (!option.required && !option.optional) return { value: await truth(place, key), structured: false };
  const whole = { value: given, structured: true };
  if (isSection(given) || (Array.isArray(given) && !option.variadic)) return whole;
  const items = option.variadic && place.source === "env" ? words(String(given)) : given;
  if (isSection(items)) return { value: items, structured: true };
  if (!Array.isArray(items)) return { value: parse(option, items, option.defaultValue, place), structured: false };
  const value = items.reduce<unknown>(
    (before, item) =>
      isSection(item) || Array.isArray(item)
        ? [...(Array.isArray(before) ? before : []), item]
        : parse(option, item, before, place),
    option.defaultValue,
  );
  return { value, structured: items.some((item) => typeof item === "object") };
}

/** Of a variable for a list: JSON, or words as they would follow the flag. */
function words(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text.split(/\s+/).filter(Boolean);
  try {
    return JSON.parse(text);
  } catch {
    return [text];
  }
}

/** As the flag reads its text. */
function parse(option: Option, given: unknown, before: unknown, place: Place): unknown {
  const key = option.attributeName();
  if (typeof given !== "string" && !option.parseArg) throw wrong(place, key, "expected text.");
  const text = fromFolder(String(given), option, place);
  try {
    if (option.parseArg) return option.parseArg(text, before);
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw wrong(place, key, error.message);
    throw error;
  }
  return option.variadic ? [...(Array.isArray(before) ? before : []), text] : text;
}

/** A file's paths are relative to it; a model may be a name, and is a path where it begins with a dot. */
function fromFolder(text: string, option: Option, { file }: Place): string {
  const path =
    /<(file|folder|path)\b/.test(option.flags) || (/<model\b/.test(option.flags) && /^\.\.?[/\\]/.test(text));
  return file && path ? resolve(file.folder, text) : text;
}

async function truth(place: Place, key: string): Promise<boolean> {
  const { z } = await import("zod");
  const { data, success } = (place.source === "env" ? z.stringbool() : z.boolean()).safeParse(place.get(key));
  if (!success) throw wrong(place, key, "expected true or false.");
  return data;
}

/** A flag replaces what was found: a list begins anew. */
function flagsGoFirst(command: Command, option: Option): void {
  const key = option.attributeName();
  (command as unknown as EventEmitter).prependListener(`option:${option.name()}`, () => {
    if (command.getOptionValueSource(key) === "cli") return;
    command.setOptionValueWithSource(key, option.defaultValue, "default");
  });
}

export function wrong(place: Place, key: string, message: string, options: { hint?: string | undefined } = {}) {
  return new TokenlenseError("ERR_TOKENLENSE_INPUT", `${place.name(key)}: ${message}`, options);
}
