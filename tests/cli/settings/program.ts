import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, vi } from "vitest";
import { attributionCommands } from "../../../src/cli/commands/attribution.js";
import { modelCommands } from "../../../src/cli/commands/models.js";
import { toolCommands } from "../../../src/cli/commands/tools.js";
import { userFile } from "../../../src/cli/settings/files.js";
import { leaves, useSettings } from "../../../src/cli/settings/hooks.js";
import type { TokenlenseError } from "../../../src/errors.js";

/** A working folder of each test's own, and a user's folder; no other configuration or variable is seen. */
export function workplace() {
  const place = {
    folder: "",
    /** Writes a file, as JSON unless it is text, in the working folder or wherever its path leads. */
    write(path: string, content: unknown): string {
      const file = join(place.folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      return file;
    },
    writeUser(content: unknown): string {
      mkdirSync(dirname(userFile()), { recursive: true });
      writeFileSync(userFile(), JSON.stringify(content));
      return userFile();
    },
  };
  const before = process.cwd();
  beforeEach(() => {
    const root = mkdtempSync(join(tmpdir(), "tokenlense-settings-"));
    place.folder = join(root, "project");
    mkdirSync(place.folder);
    process.chdir(place.folder);
    place.folder = process.cwd(); // without links
    for (const name of Object.keys(process.env)) if (name.startsWith("TOKENLENSE_")) vi.stubEnv(name, undefined);
    vi.stubEnv("XDG_CONFIG_HOME", join(root, "home"));
  });
  afterEach(() => {
    process.chdir(before);
    rmSync(dirname(place.folder), { recursive: true, force: true });
    vi.unstubAllEnvs();
  });
  return place;
}

/** The commands as main.ts defines them; running one gives its options in place of doing anything. */
export function definedCommands(act: (options: Record<string, unknown>) => void = () => {}): Command {
  const program = new Command("tokenlense").exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  for (const define of [attributionCommands, toolCommands, modelCommands]) define(program);
  useSettings(program);
  for (const command of leaves(program)) command.action(() => act(command.opts()));
  return program;
}

export async function optionsOf(...args: string[]): Promise<Record<string, unknown>> {
  let options: Record<string, unknown> | undefined;
  await definedCommands((given) => {
    options = given;
  }).parseAsync(args, { from: "user" });
  if (!options) throw new Error("no command ran");
  return options;
}

export async function errorOf(...args: string[]): Promise<TokenlenseError> {
  const error = await optionsOf(...args).catch((thrown: unknown) => thrown);
  if (error instanceof Error) return error as TokenlenseError;
  throw new Error(`no error, but ${JSON.stringify(error)}`);
}
