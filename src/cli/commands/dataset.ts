import type { Command } from "commander";
import { wholeNumber } from "../values.js";
import { exitCodes, methodOptions, modelOptions } from "./shared.js";

/** `attribute-dataset`. */
export function datasetCommands(program: Command): void {
  methodOptions(modelOptions(program.command("attribute-dataset")))
    .argument("<file>", ".csv, .jsonl, .txt (a prompt on each line) or .parquet")
    .description("Attribute every prompt of a file, and store the results; a run that was stopped can be resumed.")
    .option(
      "--column <name>",
      "the prompts' (default: full_prompt; or user_request with system_instruction; or the first of text)",
    )
    .option("--system-column <name>", "system messages'; the prompts are then put in chat format")
    .option("--target-column <name>", "whole texts', beginning with the prompts; in chat format the reply will do")
    .option("--contrast-column <name>", "whole texts' with another continuation; in chat format the reply will do")
    .option("--limit <count>", "only the first prompts", wholeNumber)
    .option("--output <folder>", "where results, manifest and journal go (default: results/<the file's name>)")
    .option("--resume", "go on where a run in that folder stopped; what failed is tried again", false)
    .addHelpText(
      "after",
      `\nWith --json, a line for each prompt as it is through. Some prompts failed: exit code 1, the others are stored.\nShort prompts are computed together, sixteen at most; a run that is killed loses no more than\nthose in hand.\n\nExample: tokenlense attribute-dataset questions.csv --max-new-tokens 16 --resume\n${exitCodes}`,
    )
    .action(async (...args) => (await import("../attribute-dataset.js")).attributeDatasetCommand(args[0], args[1]));
}
