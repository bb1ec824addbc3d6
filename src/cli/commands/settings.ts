import { Argument, type Command } from "commander";
import { withoutSettings } from "../settings/hooks.js";
import { exitCodes } from "./shared.js";

/** `config`, `completion`. */
export function settingsCommands(program: Command): void {
  program
    .command("config")
    .description("Which configuration files and variables are in force, and what each option comes to.")
    .argument("[command...]", "all options of this command, defaults too; without: what is set, of all commands")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
A flag goes before a variable, that before the project's file, that before your own, that before the default.

A variable is TOKENLENSE_ and the option's name, for all commands, or with the command's name between: TOKENLENSE_MODEL,
TOKENLENSE_MEMORY_BUDGET, TOKENLENSE_MODELS_BUILD_DTYPE.

The project's file is the first tokenlense.config.json, .tokenlenserc or package.json with "tokenlense" in it, from the
working folder upwards; --config or TOKENLENSE_CONFIG chooses another. All are JSON:
  { "model": "./models/small.gguf", "attribute": { "method": "occlusion", "option": { "window": 2 }, "save": false } }
Keys are options' names in camelCase, at the top for all commands that have them, under a command's name for that one.
Paths are relative to the file.

Example: tokenlense config attribute
${exitCodes}`,
    )
    .action(async (...args) => (await import("../config.js")).configCommand(program, args[0], args[1]));

  const completion = program
    .command("completion")
    .description("Print a script by which a shell completes commands, options, methods, step functions and models.")
    .addArgument(new Argument("<shell>", "which").choices(["bash", "zsh", "fish"]))
    .argument("[words...]", "the script's own: prints what could stand for the last of them")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
To install it:
  bash  tokenlense completion bash >> ~/.bashrc
  zsh   tokenlense completion zsh > "\${fpath[1]}/_tokenlense"
  fish  tokenlense completion fish > ~/.config/fish/completions/tokenlense.fish

Example: source <(tokenlense completion bash)
${exitCodes}`,
    )
    .action(async (...args) =>
      (await import("../completion.js")).completionCommand(program, args[0], args[1], args[2]),
    );
  withoutSettings(completion);
}
