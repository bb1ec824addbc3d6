import type { Command } from "commander";
import { assignment, bytes, number, step } from "../values.js";
import { exitCodes, methodOptions, overMethod, overModel } from "./shared.js";

/** `attribute`, `attribute-context`, `generate`. */
export function attributionCommands(program: Command): void {
  methodOptions(overModel(program.command("attribute")))
    .description("Show and store which tokens each generated token leaned on.")
    .option("--target <text>", "the whole text, beginning with the prompt, in place of generating one")
    .option("--contrast <text>", "whole text with another continuation: why this token and not that one?")
    .option("--contrast-prompt <text>", "where the contrast begins, if not with the prompt")
    .option("--output <folder>", "where the result is stored", "results")
    .option("--no-save", "do not store the result")
    .option("--picture <file>", "draw it too: page.html, picture.svg or picture.png")
    .addHelpText("after", `\nExample: tokenlense attribute "The capital of France is" --max-new-tokens 8\n${exitCodes}`)
    .action(async (...args) => (await import("../attribute.js")).attributeCommand(args[0], args[1]));

  overMethod(overModel(program.command("attribute-context")))
    .description("Show which outputs a context changed, and by which of its tokens (PECoRe).")
    .requiredOption("--context <text>", "what the prompt may lean on")
    .option("--template <text>", "how the two are put together", "{context} {current}")
    .option("--continuation <text>", "the output to ask about, in place of generating one")
    .option("--method <name>", "what finds the cues", "saliency")
    .option("--option <name=value...>", "of the method; repeatable", assignment, {})
    .option("--sensitivity <name>", "how much an output changes with the context", step, "kl_divergence")
    .option("--sensitivity-threshold <number>", "standard deviations above the mean", number, 1)
    .option("--cue-threshold <number>", "standard deviations above the mean", number, 1)
    .option("--memory-budget <size>", 'working memory, such as "2GiB"', bytes)
    .addHelpText(
      "after",
      `\nExample: tokenlense attribute-context "The best view is from the" --context "I live in Paris." --max-new-tokens 8\n${exitCodes}`,
    )
    .action(async (...args) => (await import("../attribute-context.js")).attributeContextCommand(args[0], args[1]));

  overModel(program.command("generate"))
    .description("Continue a prompt.")
    .addHelpText("after", `\nExample: tokenlense generate "Tell me a joke." --chat --temperature 0.8\n${exitCodes}`)
    .action(async (...args) => (await import("../generate.js")).generateCommand(args[0], args[1]));
}
