import { type Command, Option } from "commander";
import { heldTo } from "../settings/schemas.js";
import { assignment, bytes, number, step, stepList, wholeNumber } from "../values.js";

export { exitCodesText as exitCodes } from "../failure.js";

export const deviceOption = () =>
  new Option("--device <device>", '"auto", "cpu", "cuda", "cuda:1", "cuda:0,cuda:1": split by layer, …').default(
    "auto",
  );

export const dtypeOption = () =>
  new Option("--dtype <dtype>", "what weights are kept in, where the archive is built here (default: float32)").choices(
    [...["float32", "bfloat16", "float16"]],
  );

/** What the commands that run a model on a prompt share. */
export function overModel(command: Command): Command {
  return modelOptions(command.argument("<prompt>", 'the text, or "-" to read it from stdin'));
}

/** Which model, and how it continues prompts. */
export function modelOptions(command: Command): Command {
  heldTo(command, async () => {
    const { samplingOptions, maxNewTokens, memoryBudget, device } = await import("../../options.js");
    return { ...samplingOptions, maxNewTokens, memoryBudget, device };
  });
  return command
    .option(
      "--model <model>",
      "a name, a folder, a .gguf or a .pt file, or owner/name on the Hugging Face hub",
      "smollm2-135m-instruct",
    )
    .addOption(deviceOption())
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

/** For commands with --method and --option, --step, --step-score or --sensitivity: held to the registries of both. */
export const overMethod = (command: Command): Command =>
  heldTo(command, async (flags) => (await import("../choice.js")).choiceSchemas(flags));

/** What is attributed, and how. */
export function methodOptions(command: Command): Command {
  return overMethod(command)
    .option("--method <name>", "attribution method; `tokenlense methods` lists them", "saliency")
    .option(
      "--option <name=value...>",
      'of the method, such as "steps=20" or "baseline=zero"; repeatable',
      assignment,
      {},
    )
    .option("--step <name>", 'attributed step function, also with options: "kl_divergence:topK=10"', step)
    .option(
      "--step-score <name...>",
      "step function to evaluate beside; repeatable (default: probability)",
      stepList,
      [],
    )
    .addOption(new Option("--aggregate <how>", "how the embedding dimension goes").choices(["vnorm", "sum"]))
    .option("--memory-budget <size>", 'working memory, such as "2GiB" (default: half of what is free)', bytes);
}
