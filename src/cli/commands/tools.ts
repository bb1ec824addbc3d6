import { type Command, Option } from "commander";
import { notFromProject } from "../settings/schemas.js";
import { exitCodes } from "./shared.js";

/** `export`, `doctor`, `methods`. */
export function toolCommands(program: Command): void {
  program
    .command("export")
    .description("Write a transformers model of an architecture that is not built in as an archive. Needs Python.")
    .argument("<model>", "a Hugging Face folder, or a name on the hub")
    .argument("<archive>", "the .pt file to write")
    .option("--revision <name>", "branch, tag or commit on the hub")
    .addOption(
      notFromProject(new Option("--trust-remote-code", "run the Python code that comes with the model").default(false)),
    )
    .addOption(new Option("--dtype <type>", "of the weights").choices(["float32"]).default("float32"))
    .addOption(
      notFromProject(
        new Option("--python <path>", "Python 3.11 to 3.14, from which the exporter's own environment is made once"),
      ),
    )
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense export EleutherAI/pythia-70m pythia.pt\n${exitCodes}`)
    .action(async (...args) => (await import("../export.js")).exportCommand(args[0], args[1], args[2]));

  program
    .command("doctor")
    .description("What was found on this machine: libtorch, addon, devices, matrix product paths, caches.")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense doctor --json\n${exitCodes}`)
    .action(async (flags) => (await import("../doctor.js")).doctorCommand(flags));

  program
    .command("methods")
    .description("List attribution methods and step functions.")
    .option("--json", "print JSON")
    .addHelpText("after", `\nExample: tokenlense methods --json\n${exitCodes}`)
    .action(async (flags) => (await import("../methods.js")).methodsCommand(flags));
}
