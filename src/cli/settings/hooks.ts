import type { Command } from "commander";

// What only a command that runs needs is imported then: --version and --help read no configuration.

const exempt = new WeakSet<Command>();

/** Keeps a command from settings, so that it works where they are wrong. */
export function withoutSettings(command: Command): Command {
  exempt.add(command);
  return command;
}

/** Every command below `command`, parents first. */
export function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}

/** Those of them that do something, and do not only hold others. */
export const leaves = (program: Command) => descendants(program).filter(({ commands }) => commands.length === 0);

/** The names by which a command is called, from below the program on: ["models", "build"]. */
export function pathOf(command: Command): string[] {
  return command.parent ? [...pathOf(command.parent), command.name()] : [];
}

/**
 * Every command takes what flags leave open from the environment and from configuration files, and holds all of it to
 * the API's schemas before it acts. Call it once all commands are defined.
 * @returns whether the command at hand prints JSON, as far as is known when an error is to be told.
 */
export function useSettings(program: Command): () => boolean {
  program.option(
    "--config <file>",
    "configuration in place of the project's; `tokenlense config` shows what is in force",
  );
  let current: Command | undefined;
  let failure: unknown;
  for (const group of [program, ...descendants(program)].filter(({ commands }) => commands.length > 0))
    group.hook("preSubcommand", async (_, command) => {
      if (command.commands.length > 0 || exempt.has(command)) return;
      current = command;
      // Told when the command is to act: --help works whatever the configuration says.
      failure = await import("./fill.js").then(({ fill }) => fill(command)).catch((error: unknown) => error);
    });
  program.hook("preAction", async (_, command) => {
    if (exempt.has(command)) return;
    if (failure !== undefined) throw failure;
    await (await import("./check.js")).check(command);
  });
  return () => process.argv.includes("--json") || current?.opts().json === true;
}
