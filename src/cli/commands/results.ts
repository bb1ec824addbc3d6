import type { Command } from "commander";
import { date, endOf } from "../values.js";
import { exitCodes } from "./shared.js";

/** `list`, `show`, `save`, `load`, `remove`. */
export function resultCommands(program: Command): void {
  program
    .command("list")
    .description("List stored results, the newest first. Damaged ones are listed last, with what is wrong with them.")
    .argument("[folder]", "where they are stored", "results")
    .option("--model <name>", "only of this model; a part of the name is enough")
    .option("--method <name>", "only of this attribution method")
    .option("--since <date>", 'only made on this day or later: "2025-04-03" (UTC), or with a time', date)
    .option("--until <date>", "only made on this day or before", endOf)
    .option("--text <text>", "only with this in the prompt, in any case")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense list --method saliency --since 2025-04-01 --text France\n${exitCodes}`)
    .action(async (...args) => (await import("../results.js")).listCommand(args[0], args[1]));

  program
    .command("show")
    .description("Show a stored result, as `attribute` does.")
    .argument("<file>", "a result's .json file")
    .option("--json", "print the whole document as JSON")
    .addHelpText("after", `\nExample: tokenlense show results/20250403_123045_tiny-model_The_sky_is.json\n${exitCodes}`)
    .action(async (...args) => (await import("../results.js")).showCommand(args[0], args[1]));

  program
    .command("save")
    .description("Check a result and store it under its own name.")
    .argument("<file>", 'a result\'s .json file, or "-" to read its document from stdin')
    .option("--output <folder>", "where it is stored", "results")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExample: tokenlense attribute "The sky is" --json --no-save | tokenlense save - --output results\n${exitCodes}`,
    )
    .action(async (...args) => (await import("../results.js")).saveCommand(args[0], args[1]));

  program
    .command("load")
    .description("Read a stored result, check all of it, and say what is in it.")
    .argument("<file>", "a result's .json file")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense load results/20250403_123045_tiny-model_The_sky_is.json\n${exitCodes}`)
    .action(async (...args) => (await import("../results.js")).loadCommand(args[0], args[1]));

  program
    .command("remove")
    .description("Remove stored results, each with the scores that lie beside it.")
    .argument("<files...>", "results' .json files")
    .option("--dry-run", "only list what would be removed")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExample: tokenlense remove results/20250403_123045_tiny-model_The_sky_is.json --dry-run\n${exitCodes}`,
    )
    .action(async (...args) => (await import("../results.js")).removeCommand(args[0], args[1]));
}
