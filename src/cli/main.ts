#!/usr/bin/env node
import { Command, Option } from "commander";
import { packageVersion } from "../install/paths.js";
import { report } from "./failure.js";
import { assignment, bytes, number, step, stepList, wholeNumber } from "./values.js";

// Everything beyond commander is imported by the command that needs it: the start of the process is part of each run.

const exitCodes = `
Exit codes: 0 done, 1 an error, 2 a wrong argument, 130 cancelled with Ctrl-C.`;

const program = new Command("tokenlense")
  .description("Which tokens did a language model lean on? Attribution by true gradients, on this machine.")
  .version(packageVersion())
  .addHelpText("after", exitCodes)
  .showHelpAfterError("(--help says more)")
  .exitOverride();

const dtypeOption = () =>
  new Option("--dtype <dtype>", "what weights are kept in, where the archive is built here (default: float32)").choices(
    [...["float32", "bfloat16", "float16"]],
  );

function overModel(command: Command): Command {
  return command
    .argument("<prompt>", 'the text, or "-" to read it from stdin')
    .option(
      "--model <model>",
      "a name, a folder, a .gguf or a .pt file, or owner/name on the Hugging Face hub",
      "smollm2-135m-instruct",
    )
    .option("--device <device>", '"auto", "cpu", "cuda", "cuda:1", …', "auto")
    .addOption(dtypeOption())
    .option("--max-new-tokens <count>", "the most tokens to generate", wholeNumber, 32)
    .option("--chat", "put the prompt in the model's chat format", false)
    .option("--system <text>", "system message of a chat prompt")
    .option("--temperature <number>", "0 is greedy", number, 0)
    .option("--top-k <count>", "sample from the likeliest tokens; 0 for all", wholeNumber, 0)
    .option("--top-p <share>", "sample from the likeliest tokens that reach this probability", number, 1)
    .option("--seed <number>", "of sampling; drawn, and reported, where none is given", wholeNumber)
    .option("--json", "print JSON");
}

overModel(program.command("attribute"))
  .description("Show and store which tokens each generated token leaned on.")
  .option("--target <text>", "the whole text, beginning with the prompt, in place of generating one")
  .option("--method <name>", "attribution method; `tokenlense methods` lists them", "saliency")
  .option(
    "--option <name=value...>",
    'of the method, such as "steps=20" or "baseline=zero"; repeatable',
    assignment,
    {},
  )
  .option("--step <name>", 'attributed step function, also with options: "kl_divergence:topK=10"', step)
  .option("--step-score <name...>", "step function to evaluate beside; repeatable (default: probability)", stepList, [])
  .option("--contrast <text>", "whole text with another continuation: why this token and not that one?")
  .option("--contrast-prompt <text>", "where the contrast begins, if not with the prompt")
  .addOption(new Option("--aggregate <how>", "how the embedding dimension goes").choices(["vnorm", "sum"]))
  .option("--memory-budget <size>", 'working memory, such as "2GiB" (default: half of what is free)', bytes)
  .option("--output <folder>", "where the result is stored", "results")
  .option("--no-save", "do not store the result")
  .addHelpText("after", `\nExample: tokenlense attribute "The capital of France is" --max-new-tokens 8\n${exitCodes}`)
  .action(async (...args) => (await import("./attribute.js")).attributeCommand(args[0], args[1]));

overModel(program.command("attribute-context"))
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
  .action(async (...args) => (await import("./attribute-context.js")).attributeContextCommand(args[0], args[1]));

overModel(program.command("generate"))
  .description("Continue a prompt.")
  .addHelpText("after", `\nExample: tokenlense generate "Tell me a joke." --chat --temperature 0.8\n${exitCodes}`)
  .action(async (...args) => (await import("./generate.js")).generateCommand(args[0], args[1]));

program
  .command("export")
  .description("Write a transformers model of an architecture that is not built in as an archive. Needs Python.")
  .argument("<model>", "a Hugging Face folder, or a name on the hub")
  .argument("<archive>", "the .pt file to write")
  .option("--revision <name>", "branch, tag or commit on the hub")
  .option("--trust-remote-code", "run the Python code that comes with the model", false)
  .addOption(new Option("--dtype <type>", "of the weights").choices(["float32"]).default("float32"))
  .option("--python <path>", "Python 3.11 to 3.14, from which the exporter's own environment is made once")
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense export EleutherAI/pythia-70m pythia.pt\n${exitCodes}`)
  .action(async (...args) => (await import("./export.js")).exportCommand(args[0], args[1], args[2]));

program
  .command("doctor")
  .description("What was found on this machine: libtorch, addon, devices, matrix product paths, caches.")
  .option("--json", "print JSON")
  .action(async (flags) => (await import("./doctor.js")).doctorCommand(flags));

program
  .command("methods")
  .description("List attribution methods and step functions.")
  .option("--json", "print JSON")
  .action(async (flags) => (await import("./methods.js")).methodsCommand(flags));

const models = program.command("models").description("Download, build, look at and remove models.");

models
  .command("list")
  .description("What is cached: archives, downloads, and repositories in the Hugging Face cache; and the known names.")
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense models list\n${exitCodes}`)
  .action(async (flags) => (await import("./models.js")).listCommand(flags));

models
  .command("pull")
  .description("Download a model, without building or loading it.")
  .argument("<name>", "a known name, or owner/name, owner/name@revision, owner/name:file.gguf of the Hugging Face hub")
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense models pull HuggingFaceTB/SmolLM2-135M-Instruct\n${exitCodes}`)
  .action(async (...args) => (await import("./models.js")).pullCommand(args[0], args[1]));

models
  .command("build")
  .description("Build a model's archive, which loading would do else.")
  .argument("<source>", "a name, a folder, a .gguf file, or owner/name of the Hugging Face hub")
  .option("--output <file.pt>", "where; default: in the cache")
  .addOption(dtypeOption())
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense models build ./my-model --output my-model.pt\n${exitCodes}`)
  .action(async (...args) => (await import("./models.js")).buildCommand(args[0], args[1]));

models
  .command("inspect")
  .description("What a model is: family, sizes, special tokens, source, and the methods that it can be asked by.")
  .argument("<model>", "as --model of the other commands; nothing is downloaded")
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense models inspect smollm2-135m-instruct\n${exitCodes}`)
  .action(async (...args) => (await import("./models.js")).inspectCommand(args[0], args[1]));

models
  .command("remove")
  .description("Remove a model from this package's cache. A process that has it loaded keeps it.")
  .argument("<name>", "a name or path that `models list` shows")
  .option("--hub", "its repository in the Hugging Face cache too, with all revisions: Python uses the same")
  .option("--dry-run", "only list what would be removed")
  .option("--json", "print JSON")
  .addHelpText("after", `\nExample: tokenlense models remove smollm2-135m-instruct --dry-run\n${exitCodes}`)
  .action(async (...args) => (await import("./models.js")).removeCommand(args[0], args[1]));

// A reader that has seen enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

program.parseAsync().catch((error: unknown) => {
  process.exitCode = report(error, process.argv.includes("--json"));
});
