import type { Command } from "commander";
import { heldTo } from "../settings/schemas.js";
import { bytes, number, stepList, wholeNumber } from "../values.js";
import { deviceOption, dtypeOption, exitCodes } from "./shared.js";

const counts = (text: string, before: number[]): number[] => [...before, wholeNumber(text)];

/** `bench run`, `bench scale`, `bench compare`. */
export function benchCommands(program: Command): void {
  const bench = program
    .command("bench")
    .description("Measure how fast (and how faithful) each method is on each model, on this machine.");

  measuring(bench.command("run", { isDefault: true }), "six, from attention to integrated_gradients:steps=20")
    .description(
      "Measure every method on every prompt and model, and write a report. `tokenlense bench` alone does that.",
    )
    .option(
      "--dataset <file>",
      "prompts: .csv, .jsonl, .txt or .parquet, also FACTS, BoolQ and SimpleQA files (default: some that come with it)",
    )
    .option("--column <name>", "the prompts', as of attribute-dataset")
    .option("--system-column <name>", "system messages'; the prompts are then put in chat format")
    .option("--limit <count>", "only the first prompts", wholeNumber)
    .option("--max-new-tokens <count>", "outputs of each prompt", wholeNumber, 8)
    .option(
      "--randomised-prompts <count>",
      "on so many prompts each method is also held to copies of the model with random weights",
      wholeNumber,
      2,
    )
    .addHelpText(
      "after",
      `\nSome cells or checks failed: exit code 1, the report has the others. Ctrl-C leaves a report of what is done.\n\nExample: tokenlense bench run --model smollm2-135m-instruct ./my-gpt2 --method saliency occlusion integrated_gradients:steps=20\n${exitCodes}`,
    )
    .action(async (flags) => (await import("../bench.js")).benchCommand(flags));

  measuring(bench.command("scale"), "saliency, occlusion, attention")
    .description("Measure how the cost grows with the lengths of prompt and output, fit it, and print a table.")
    .option("--prompt-tokens <count...>", "lengths of prompts (default: 16 32 64 128)", counts, [])
    .option("--output-tokens <count...>", "lengths of outputs (default: 4 8 16)", counts, [])
    .addHelpText("after", `\nExample: tokenlense bench scale --method saliency --prompt-tokens 32 64 128\n${exitCodes}`)
    .action(async (flags) => (await import("../bench.js")).benchScaleCommand(flags));

  bench
    .command("compare")
    .description(
      "Set runs against the first: other machines, versions or settings; with a verdict that reckons with noise.",
    )
    .argument("<runs...>", "two or more folders of `bench run` or `bench scale`, or the report.json in them")
    .option("--html <file>", "write a page with pictures of all runs too")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense bench compare results/bench-laptop results/bench-server\n${exitCodes}`)
    .action(async (...args) => (await import("../bench-compare.js")).benchCompareCommand(args[0], args[1]));
}

/** What the commands that measure share. */
function measuring(command: Command, methods: string): Command {
  heldTo(command, async () => (await import("../bench-options.js")).benchSchemas());
  return command
    .option("--model <model...>", "as of attribute; repeatable (default: smollm2-135m-instruct)")
    .option(
      "--method <name...>",
      `attribution method, also with options: "integrated_gradients:steps=20"; repeatable (default: ${methods})`,
      stepList,
      [],
    )
    .addOption(deviceOption())
    .addOption(dtypeOption())
    .option("--repeats <count>", "times that each cell is measured", wholeNumber, 2)
    .option("--warmup <count>", "runs of each method that do not count, before the first that does", wholeNumber, 1)
    .option("--seed <number>", "of the order in which cells are measured", wholeNumber, 0)
    .option("--time-limit <seconds>", "that a cell may take", number, 300)
    .option("--memory-limit <size>", 'that a model\'s process may take, such as "8GiB" (default: none)', bytes)
    .option("--output <folder>", "where report and journal go (default: results/bench-<time>)")
    .option("--resume", "go on with the run in that folder, or with the last; what failed is tried again", false)
    .option("--json", "print JSON");
}
