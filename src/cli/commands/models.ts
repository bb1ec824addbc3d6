import type { Command } from "commander";
import { dtypeOption, exitCodes } from "./shared.js";

/** `models …`. */
export function modelCommands(program: Command): void {
  const models = program.command("models").description("Download, build, look at and remove models.");

  models
    .command("list")
    .description(
      "What is cached: archives, downloads, and repositories in the Hugging Face cache; and the known names.",
    )
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense models list\n${exitCodes}`)
    .action(async (flags) => (await import("../models.js")).listCommand(flags));

  models
    .command("pull")
    .description("Download a model, without building or loading it.")
    .argument(
      "<model>",
      "a known name, or owner/name, owner/name@revision, owner/name:file.gguf of the Hugging Face hub",
    )
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense models pull HuggingFaceTB/SmolLM2-135M-Instruct\n${exitCodes}`)
    .action(async (...args) => (await import("../models.js")).pullCommand(args[0], args[1]));

  models
    .command("build")
    .description("Build a model's archive, which loading would do else.")
    .argument("<model>", "a name, a folder, a .gguf file, or owner/name of the Hugging Face hub")
    .option("--output <file.pt>", "where; default: in the cache")
    .addOption(dtypeOption())
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense models build ./my-model --output my-model.pt\n${exitCodes}`)
    .action(async (...args) => (await import("../models.js")).buildCommand(args[0], args[1]));

  models
    .command("inspect")
    .description("What a model is: family, sizes, special tokens, source, and the methods that it can be asked by.")
    .argument("<model>", "as --model of the other commands; nothing is downloaded")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense models inspect smollm2-135m-instruct\n${exitCodes}`)
    .action(async (...args) => (await import("../models.js")).inspectCommand(args[0], args[1]));

  models
    .command("remove")
    .description("Remove a model from this package's cache. A process that has it loaded keeps it.")
    .argument("<model>", "a name or path that `models list` shows")
    .option("--hub", "its repository in the Hugging Face cache too, with all revisions: Python uses the same")
    .option("--dry-run", "only list what would be removed")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense models remove smollm2-135m-instruct --dry-run\n${exitCodes}`)
    .action(async (...args) => (await import("../models.js")).removeCommand(args[0], args[1]));
}
