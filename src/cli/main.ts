#!/usr/bin/env node
import { Command } from "commander";
import { packageVersion } from "../install/package.js";
import { attributionCommands } from "./commands/attribution.js";
import { benchCommands } from "./commands/bench.js";
import { convertCommands } from "./commands/convert.js";
import { datasetCommands } from "./commands/dataset.js";
import { modelCommands } from "./commands/models.js";
import { pictureCommands } from "./commands/pictures.js";
import { resultCommands } from "./commands/results.js";
import { serveCommands } from "./commands/serve.js";
import { settingsCommands } from "./commands/settings.js";
import { exitCodes } from "./commands/shared.js";
import { toolCommands } from "./commands/tools.js";
import { report } from "./failure.js";
import { useSettings } from "./settings/hooks.js";

// Everything beyond commander is imported by the command that needs it: the start of the process is part of each run.

const program = new Command("tokenlense")
  .description("Which tokens did a language model lean on? Attribution by true gradients, on this machine.")
  .version(packageVersion())
  .addHelpText("after", exitCodes)
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError("(--help says more)")
  .exitOverride();

for (const define of [
  attributionCommands,
  datasetCommands,
  resultCommands,
  pictureCommands,
  convertCommands,
  serveCommands,
  benchCommands,
  toolCommands,
  modelCommands,
  settingsCommands,
])
  define(program);
const printsJson = useSettings(program);

// A reader that has seen enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

program.parseAsync().catch((error: unknown) => {
  process.exitCode = report(error, printsJson());
});
