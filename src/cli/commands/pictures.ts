import { type Command, Option } from "commander";
import { wholeNumber } from "../values.js";
import { exitCodes } from "./shared.js";

const files = ["<file...>", "results, as `attribute` stores them"] as const;
const normalisation = () =>
  new Option(
    "--normalisation <how>",
    "scores as they are, as shares of each output (Inseq's), of the largest of all, or TokenLense's min–max",
  )
    .choices(["raw", "inseq", "rescale", "tokenlense"])
    .default("inseq");

/** `visualize`, `compare`. */
export function pictureCommands(program: Command): void {
  program
    .command("visualize")
    .description("Draw results: an interactive page of one, or of several side by side, or a heat map as SVG or PNG.")
    .argument(...files)
    .option("--output <file>", "page.html, picture.svg or picture.png (default: the first result's name, .html, here)")
    .addOption(normalisation())
    .addOption(
      new Option("--theme <theme>", "ground of the picture (default: the system's, of images light)").choices([
        "light",
        "dark",
      ]),
    )
    .option("--open", "show it, in the program that the system opens such files with")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `\nExample: tokenlense visualize results/20250403_*.json --output page.html --open\n${exitCodes}`,
    )
    .action(async (...args) => (await import("../pictures.js")).visualizeCommand(args[0], args[1]));

  program
    .command("compare")
    .description("Show results side by side, and how far they agree: correlations, and the most important tokens.")
    .argument(...files)
    .option("--top-k <count>", "how many of an output's tokens count as the most important", wholeNumber, 3)
    .option("--html <file>", "write an interactive page too")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense compare saliency.json occlusion.json --html page.html\n${exitCodes}`)
    .action(async (...args) => (await import("../pictures.js")).compareCommand(args[0], args[1]));
}
