import { type Command, Option } from "commander";
import { heldTo, notFromProject, secret } from "../settings/schemas.js";
import { bytes, wholeNumber } from "../values.js";
import { deviceOption, exitCodes } from "./shared.js";

/** `serve`. */
export function serveCommands(program: Command): void {
  const command = heldTo(program.command("serve"), async () => {
    const { serveOptions } = await import("../../server/options.js");
    const { models: model, limits, origins: origin, ...options } = serveOptions;
    const { queue: queueLimit, client: clientLimit } = limits.unwrap().shape;
    return { ...options, model, origin, queueLimit, clientLimit };
  });
  command
    .description(
      "Serve stored results, and attribute texts as jobs, over HTTP: a page at /ui/, and what /openapi.json describes.",
    )
    .argument("[folder]", "where results are read and stored", "results")
    .addOption(
      notFromProject(
        new Option("--host <address>", "address to listen on; beyond loopback a token is required").default(
          "127.0.0.1",
        ),
      ),
    )
    .option("--port <number>", "port to listen on; 0 for any that is free", wholeNumber, 8000)
    .addOption(
      secret(
        new Option("--token <text>", "what clients must send as a bearer token; better set as TOKENLENSE_SERVE_TOKEN"),
      ),
    )
    .option(
      "--model <model...>",
      "models that clients may name beside those known by name and those in the hub's cache; repeatable",
    )
    .addOption(deviceOption())
    .option(
      "--model-memory <size>",
      "for models' weights; the least recently used go (default: half of what is free)",
      bytes,
    )
    .option(
      "--memory-budget <size>",
      'working memory of each job, such as "2GiB" (default: its share of half of what is free)',
      bytes,
    )
    .option("--concurrency <count>", "jobs that run at a time", wholeNumber, 2)
    .option("--queue-limit <count>", "jobs that wait or run, of all clients", wholeNumber, 64)
    .option("--client-limit <count>", "jobs that wait or run, of one client", wholeNumber, 8)
    .addOption(
      notFromProject(
        new Option(
          "--origin <origin...>",
          'pages that may call from elsewhere, such as "http://localhost:3000"; repeatable',
        ),
      ),
    )
    .option("--grace <milliseconds>", "how long running jobs have to end when the server stops", wholeNumber, 10_000)
    .addOption(
      new Option("--log <level>", "JSON lines on stderr (default: warn in a terminal, else info)").choices([
        ...["silent", "error", "warn", "info", "debug"],
      ]),
    )
    .option("--open", "open the page in a browser")
    .option("--json", "print where it listens as JSON")
    .addHelpText("after", `\nExample: tokenlense serve results --model ./my-model.gguf\n${exitCodes}`)
    .action(async (...args) => (await import("../serve.js")).serveCommand(args[0], args[1]));
}
