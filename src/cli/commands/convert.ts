import { type Command, Option } from "commander";
import { exitCodes } from "./shared.js";

/** `convert`. */
export function convertCommands(program: Command): void {
  program
    .command("convert")
    .description("Turn a stored result into Inseq's format, or a file of Inseq's into the native one.")
    .argument("<file>", "a result of either format, compressed or not")
    .addOption(
      new Option("--to <format>", "what to write (default: the one that the file is not)").choices(["native", "inseq"]),
    )
    .option("--output <folder>", "where the result is stored", "results")
    .addOption(
      new Option(
        "--layout <layout>",
        'of Inseq files: "analyzer" puts them in data/<model>/method_<method>/data/ of the folder',
      ).choices(["flat", "analyzer"]),
    )
    .option("--compress", "compress Inseq files; Inseq's load then needs decompress=True")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense convert results/attribution.json --to inseq\n${exitCodes}`)
    .action(async (...args) => (await import("../convert.js")).convertCommand(args[0], args[1]));
}
